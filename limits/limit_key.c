/* Addresses into keys. Pure; owns nothing. */
#include "limits/limit_key.h"

struct limit_key limit_key_of_address(const struct address *address, struct limit_prefixes prefixes, uint32_t realm)
{
    struct limit_key key = {.realm = realm};
    if (address_network(address, prefixes.ipv4, prefixes.ipv6, key.bytes) < 0)
        memset(key.bytes, 0, sizeof(key.bytes));
    return key;
}

/* What an arrival holds of the limits. Any thread; owns nothing. */
#include "transports/serve/arrival.h"

#include "limits/count_table.h"

int arrival_charge_network(struct reactor *reactor, const struct address *client, struct counted **ret_network)
{
    struct gateway *gateway = reactor_gateway(reactor);
    const struct settings *settings = reactor_snapshot(reactor)->settings;
    struct limit_prefixes prefixes = {.ipv4 = settings->limits.ipv4_prefix, .ipv6 = settings->limits.ipv6_prefix};
    struct limit_key key = limit_key_of_address(client, prefixes, 1);
    if (settings->limits.max_connections_per_ip == 0 || address_is_local(client))
        return 0;
    int result = count_table_take(gateway->networks, &key, settings->limits.max_connections_per_ip, ret_network);
    if (result == COUNT_TABLE_FULL)
        counter_add(reactor_counters(reactor), COUNTER_REFUSED_CONNECTION_PER_IP, 1);
    return result == COUNT_TABLE_FULL ? ARRIVAL_REFUSED : result;
}

void arrival_give_back(struct reactor *reactor, struct counted *network)
{
    struct gateway *gateway = reactor_gateway(reactor);
    quota_give(&gateway->quotas, QUOTA_CONNECTIONS, 1);
    count_table_give(gateway->networks, network);
}

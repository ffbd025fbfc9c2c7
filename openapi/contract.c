/* The document is part of the program (weir_embed() in CMakeLists.txt). Owns nothing. */
#include "openapi/contract.h"

extern const unsigned char gateway_yaml[];
extern const size_t gateway_yaml_bytes;

struct span contract_document(void)
{
    return (struct span){(const char *)gateway_yaml, gateway_yaml_bytes};
}

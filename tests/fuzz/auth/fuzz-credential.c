/* Fuzz target: the fields in which credentials come. Each line of the input is one of them: Authorization, subprotocol,
   X-API-Key, the certificate's subject; a line that is not there, or is "-", is a field that did not come. Beyond not
   crashing, it checks what must hold: what is taken is bounded, visible and from one of the fields; what was refused
   says why. */
#include "auth/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static struct span next_field(struct span *rest)
{
    struct span line = span_absent(*rest) ? *rest : span_cut(rest, '\n');
    return span_is(line, "-") ? (struct span){NULL, 0} : line;
}

static void check_taken(const struct credentials *shown, const struct credential *credential)
{
    if (credential->kind == CREDENTIAL_CERTIFICATE) {
        check(span_absent(shown->authorization) && span_absent(shown->subprotocol) && span_absent(shown->api_key));
        return;
    }
    check(credential->secret.size > 0 && credential->secret.size <= CREDENTIAL_MAX_BYTES);
    for (size_t i = 0; i < credential->secret.size; i++)
        check(credential->secret.at[i] > ' ' && credential->secret.at[i] <= '~');
    check(credential->kind != CREDENTIAL_DPOP || !span_absent(shown->authorization));
    check(credential->kind != CREDENTIAL_API_KEY || span_equal(span_trim(shown->api_key), credential->secret));
}

static int read_fields(const struct credentials *shown, size_t *ret_size)
{
    struct credential credential;
    const char *why = NULL;
    int result = credential_read(shown, true, &credential, &why);
    check(result >= 0 && result <= CREDENTIAL_REFUSED);
    check((why != NULL) == (result == CREDENTIAL_MALFORMED || result == CREDENTIAL_REFUSED));
    if (result == 0) {
        *ret_size = credential.secret.size;
        if (credential_check(&credential, &why) == 0)
            check_taken(shown, &credential);
        else
            check(why != NULL);
        credential_done(&credential);
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t fingerprint[32] = {1};
    struct span rest = {(const char *)data, size};
    struct credentials shown = {.certificate_fingerprint = fingerprint};
    shown.authorization = next_field(&rest);
    shown.subprotocol = next_field(&rest);
    shown.api_key = next_field(&rest);
    shown.certificate_subject = next_field(&rest);
    size_t secret_size = 0;
    if (read_fields(&shown, &secret_size) == 0 && span_absent(shown.api_key)) { /* one more, of another size */
        bool certificate = span_absent(shown.authorization) && span_absent(shown.subprotocol);
        shown.api_key = secret_size == 1 ? SPAN("!!") : SPAN("!");
        check(read_fields(&shown, &secret_size) == (certificate ? 0 : CREDENTIAL_MALFORMED));
    }
    return 0;
}

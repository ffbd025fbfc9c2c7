/* requestState passes through the client, so it is treated as an attacker's until the tag has proved otherwise.

       version (1) | nonce (12) | AES-256-GCM( expiry (8) | inputs size (8) | inputs | state ) | tag (16)

   What is authenticated without being carried: whose it is, and a digest of the request. The digest covers the method,
   the name or URI, and the arguments without the blanks between their tokens: a client may write its retry with another
   layout. */
#include "gateway/core/seal.h"

#include <errno.h>
#include <openssl/evp.h>

#include "gateway/base/clock.h"
#include "gateway/base/encoding.h"
#include "gateway/base/random.h"
#include "gateway/core/owner.h"

enum { VERSION = 1, KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, DIGEST_BYTES = 32, HEAD_BYTES = 16 };
enum { SEALED_OVERHEAD = 1 + NONCE_BYTES + HEAD_BYTES + TAG_BYTES };

struct seal {
    unsigned char key[KEY_BYTES];
};

static void md_free(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
}

static void cipher_free(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

int seal_new(const char *secret, struct seal **ret_seal)
{
    struct seal *seal = calloc(1, sizeof(*seal));
    if (!seal)
        return -ENOMEM;
    int r = 0;
    if (!secret)
        r = random_bytes(seal->key, sizeof(seal->key));
    else if (EVP_Digest(secret, strlen(secret), seal->key, NULL, EVP_sha256(), NULL) != 1)
        r = -EIO;
    if (r < 0) {
        free(seal);
        return r;
    }
    *ret_seal = seal;
    return 0;
}

void seal_free(struct seal *seal)
{
    if (!seal)
        return;
    explicit_bzero(seal, sizeof(*seal));
    free(seal);
}

/* ---- what it is bound to ---- */

static void digest_part(EVP_MD_CTX *digest, struct span part)
{
    uint64_t size = part.size;
    EVP_DigestUpdate(digest, &size, sizeof(size));
    EVP_DigestUpdate(digest, part.size ? part.at : "", part.size);
}

static int bind_request(const struct exchange *exchange, unsigned char out[DIGEST_BYTES])
{
    CLEANUP(md_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    struct owner owner = owner_of(exchange->identity);
    struct span arguments = exchange_member(exchange, MEMBER_ARGUMENTS)->raw;
    CLEANUP(text_done) struct text compact = TEXT(arguments.size + 2);
    json_compact(span_absent(arguments) ? SPAN("{}") : arguments, &compact);
    if (compact.error || !digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    digest_part(digest, (struct span){(const char *)owner.key, sizeof(owner.key)});
    digest_part(digest, span_of(method_name(exchange->method)));
    digest_part(digest, exchange_text(exchange, MEMBER_NAME));
    digest_part(digest, exchange_text(exchange, MEMBER_URI));
    digest_part(digest, text_span(&compact));
    return EVP_DigestFinal_ex(digest, out, NULL) == 1 ? 0 : -EIO;
}

/* ---- sealing ---- */

static int encrypt(const struct seal *seal, const unsigned char *nonce, const unsigned char *bound, struct span plain,
                   unsigned char *out, unsigned char *tag)
{
    CLEANUP(cipher_free) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0;
    bool ok = cipher && EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, seal->key, nonce) == 1 &&
              EVP_EncryptUpdate(cipher, NULL, &size, bound, DIGEST_BYTES) == 1 &&
              EVP_EncryptUpdate(cipher, out, &size, (const unsigned char *)plain.at, (int)plain.size) == 1 &&
              EVP_EncryptFinal_ex(cipher, out + size, &size) == 1 &&
              EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
    return ok ? 0 : -ENOMEM;
}

static bool decrypt(const struct seal *seal, const unsigned char *nonce, const unsigned char *bound, struct span sealed,
                    unsigned char *out)
{
    CLEANUP(cipher_free) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    const unsigned char *bytes = (const unsigned char *)sealed.at;
    unsigned char tag[TAG_BYTES];
    int size = 0;
    memcpy(tag, bytes + sealed.size - TAG_BYTES, TAG_BYTES);
    return cipher && EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, seal->key, nonce) == 1 &&
           EVP_DecryptUpdate(cipher, NULL, &size, bound, DIGEST_BYTES) == 1 &&
           EVP_DecryptUpdate(cipher, out, &size, bytes, (int)(sealed.size - TAG_BYTES)) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(cipher, out + size, &size) == 1;
}

int seal_add(struct seal *seal, const struct exchange *exchange, uint64_t ttl_ms, struct span inputs, struct span state,
             struct text *out)
{
    CLEANUP(text_done) struct text plain = TEXT(HEAD_BYTES + inputs.size + state.size);
    CLEANUP(text_done) struct text sealed = TEXT(SEALED_OVERHEAD + inputs.size + state.size);
    unsigned char bound[DIGEST_BYTES];
    uint64_t head[2] = {clock_wall_ms() + ttl_ms, inputs.size};
    text_add(&plain, (struct span){(const char *)head, sizeof(head)});
    text_add(&plain, inputs);
    text_add(&plain, state);
    unsigned char *to = (unsigned char *)text_reserve(&sealed, sealed.max_bytes);
    if (plain.error || !to)
        return -ENOMEM;
    to[0] = VERSION;
    int r = random_bytes(to + 1, NONCE_BYTES);
    if (r == 0)
        r = bind_request(exchange, bound);
    if (r == 0)
        r = encrypt(seal, to + 1, bound, text_span(&plain), to + 1 + NONCE_BYTES, to + 1 + NONCE_BYTES + plain.size);
    if (r < 0)
        return r;
    sealed.size = 1 + NONCE_BYTES + plain.size + TAG_BYTES;
    base64_encode(BASE64_URL, text_span(&sealed), out);
    return out->error;
}

static int take_apart(struct span plain, struct text *inputs, struct text *state)
{
    uint64_t head[2];
    memcpy(head, plain.at, sizeof(head));
    if (head[0] < clock_wall_ms() || head[1] > plain.size - HEAD_BYTES)
        return SEAL_REFUSED;
    text_add(inputs, (struct span){plain.at + HEAD_BYTES, head[1]});
    text_add(state, (struct span){plain.at + HEAD_BYTES + head[1], plain.size - HEAD_BYTES - head[1]});
    return inputs->error ? inputs->error : state->error;
}

int seal_open(struct seal *seal, const struct exchange *exchange, struct span sealed, struct text *inputs,
              struct text *state)
{
    CLEANUP(text_done) struct text bytes = TEXT(sealed.size);
    CLEANUP(text_done) struct text plain = TEXT(sealed.size);
    unsigned char bound[DIGEST_BYTES];
    int r = base64_decode(BASE64_URL, sealed, &bytes);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || bytes.size < SEALED_OVERHEAD || bytes.at[0] != VERSION)
        return SEAL_REFUSED;
    struct span body = {bytes.at + 1 + NONCE_BYTES, bytes.size - 1 - NONCE_BYTES};
    unsigned char *to = (unsigned char *)text_reserve(&plain, body.size);
    if (!to)
        return -ENOMEM;
    r = bind_request(exchange, bound);
    if (r < 0)
        return r;
    if (!decrypt(seal, (const unsigned char *)bytes.at + 1, bound, body, to))
        return SEAL_REFUSED;
    plain.size = body.size - TAG_BYTES;
    return take_apart(text_span(&plain), inputs, state);
}

/* Two generations of ticket keys behind a mutex: they are needed once or twice per handshake, next to which a lock is
   nothing. Keys rotate when somebody needs one, by the clock. Any thread; owns the keys, and wipes them. */
#include "transports/serve/tls_tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/random.h"

enum { NAME_BYTES = 16, KEY_BYTES = 32, GENERATIONS = 2 };

struct key {
    unsigned char name[NAME_BYTES]; /* of the ticket format: tells which key sealed it */
    unsigned char cipher[KEY_BYTES];
    unsigned char mac[KEY_BYTES];
    uint64_t made_ms;
    bool made;
};

struct tls_tickets {
    _Atomic unsigned references;
    pthread_mutex_t lock;
    struct key key[GENERATIONS]; /* newest first */
};

static int make_key(struct key *ret_key)
{
    struct key key = {.made_ms = clock_now_ms(), .made = true};
    int result = random_bytes(key.name, sizeof(key.name));
    if (result == 0)
        result = random_bytes(key.cipher, sizeof(key.cipher));
    if (result == 0)
        result = random_bytes(key.mac, sizeof(key.mac));
    if (result == 0)
        *ret_key = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

int tls_tickets_new(struct tls_tickets **ret_tickets)
{
    struct tls_tickets *tickets = calloc(1, sizeof(*tickets));
    if (!tickets)
        return -ENOMEM;
    int result = make_key(&tickets->key[0]);
    if (result != 0) {
        free(tickets);
        return result;
    }
    pthread_mutex_init(&tickets->lock, NULL);
    atomic_init(&tickets->references, 1);
    *ret_tickets = tickets;
    return 0;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets)
{
    atomic_fetch_add_explicit(&tickets->references, 1, memory_order_relaxed);
    return tickets;
}

void tls_tickets_unref(struct tls_tickets *tickets)
{
    if (!tickets || atomic_fetch_sub_explicit(&tickets->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets->key, sizeof(tickets->key));
    free(tickets);
}

/* ---- rotation; locked ---- */

static bool older_than(const struct key *key, unsigned periods)
{
    return clock_now_ms() - key->made_ms >= (uint64_t)periods * TLS_TICKETS_ROTATE_MS;
}

static int rotate(struct tls_tickets *tickets)
{
    struct key key;
    if (!older_than(&tickets->key[0], 1))
        return 0;
    int result = make_key(&key);
    if (result != 0)
        return result;
    tickets->key[1] = tickets->key[0];
    tickets->key[0] = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return 0;
}

static int seal_key(struct tls_tickets *tickets, struct key *ret_key)
{
    pthread_mutex_lock(&tickets->lock);
    int result = rotate(tickets);
    if (result == 0)
        *ret_key = tickets->key[0];
    pthread_mutex_unlock(&tickets->lock);
    return result;
}

enum found { FOUND_NONE, FOUND_NEWEST, FOUND_OLDER };

static enum found open_key(struct tls_tickets *tickets, const unsigned char *name, struct key *ret_key)
{
    enum found found = FOUND_NONE;
    pthread_mutex_lock(&tickets->lock);
    (void)rotate(tickets); /* without a new key the old ones still open */
    for (unsigned i = 0; i < GENERATIONS && found == FOUND_NONE; i++) {
        struct key *key = &tickets->key[i];
        if (!key->made || older_than(key, GENERATIONS) || CRYPTO_memcmp(key->name, name, NAME_BYTES) != 0)
            continue;
        *ret_key = *key;
        found = i == 0 ? FOUND_NEWEST : FOUND_OLDER;
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

/* ---- OpenSSL's question ---- */

static bool set_mac(EVP_MAC_CTX *mac, struct key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* The results are OpenSSL's: -1 failed, 0 no ticket (a full handshake), 1 done, 2 done, and renew the ticket. */
static int on_ticket(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing, bool renew, struct key *key)
{
    if (sealing) {
        if (seal_key(tickets, key) != 0 || random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 0)
            return -1;
        memcpy(name, key->name, NAME_BYTES);
        bool ready = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 && set_mac(mac, key);
        return ready ? 1 : -1;
    }
    enum found found = open_key(tickets, name, key);
    if (found == FOUND_NONE)
        return 0;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || !set_mac(mac, key))
        return -1;
    return found == FOUND_NEWEST && !renew ? 1 : 2;
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int sealing)
{
    struct key key = {.made = false};
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!tickets)
        return sealing ? -1 : 0;
    bool renew = SSL_version(ssl) >= TLS1_3_VERSION; /* clients use such a ticket once (RFC 8446, C.4) */
    int result = on_ticket(tickets, name, iv, cipher, mac, sealing, renew, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

int tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context)
{
    if (SSL_CTX_set_app_data(context, tickets) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) != 1)
        return -ENOMEM;
    SSL_CTX_set_timeout(context, GENERATIONS * TLS_TICKETS_ROTATE_MS / 1000);
    return 0;
}

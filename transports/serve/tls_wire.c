/* OpenSSL over a BIO of our own that reads from a span and writes to a text. Because writing to a text never has to be
   tried again, neither has any SSL_write(): what a slow peer does not take is the business of whoever has the socket.
   The owner's thread; owns the SSL object and, through it, the BIO. */
#include "transports/serve/tls_wire.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>

struct tls_wire {
    SSL *ssl;
    struct span *input; /* of the call under way; NULL: none */
    struct text *out;
    bool failed;
};

/* ---- the BIO ---- */

static int on_read(BIO *bio, char *bytes, int room)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!wire->input || wire->input->size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t size = MIN(wire->input->size, (size_t)room);
    memcpy(bytes, wire->input->at, size);
    wire->input->at += size;
    wire->input->size -= size;
    return (int)size;
}

static int on_write(BIO *bio, const char *bytes, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!wire->out)
        return -1;
    text_add(wire->out, (struct span){bytes, (size_t)size});
    return wire->out->error == 0 ? size : -1;
}

static long on_control(BIO *bio UNUSED, int command, long number UNUSED, void *pointer UNUSED)
{
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir");
    if (!made)
        return;
    BIO_meth_set_read(made, on_read);
    BIO_meth_set_write(made, on_write);
    BIO_meth_set_ctrl(made, on_control);
    method = made;
}

static BIO *make_bio(struct tls_wire *wire)
{
    pthread_once(&method_once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- life ---- */

static int make_ssl(struct tls_wire *wire, SSL_CTX *context)
{
    wire->ssl = SSL_new(context);
    if (!wire->ssl)
        return -ENOMEM;
    BIO *bio = make_bio(wire);
    if (!bio)
        return -ENOMEM;
    SSL_set_bio(wire->ssl, bio, bio);
    SSL_set_accept_state(wire->ssl);
    return 0;
}

int tls_wire_new(SSL_CTX *context, struct tls_wire **ret_wire)
{
    struct tls_wire *wire = calloc(1, sizeof(*wire));
    if (!wire)
        return -ENOMEM;
    int result = make_ssl(wire, context);
    ERR_clear_error();
    if (result != 0) {
        tls_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void tls_wire_free(struct tls_wire *wire)
{
    if (!wire)
        return;
    SSL_free(wire->ssl);
    ERR_clear_error();
    free(wire);
}

SSL *tls_wire_ssl(const struct tls_wire *wire)
{
    return wire->ssl;
}

/* ---- calls ---- */

/* Looking costs less than clearing, and there seldom is anything. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static void begin(struct tls_wire *wire, struct span *input, struct text *out)
{
    wire->input = input;
    wire->out = out;
    forget_errors(); /* SSL_get_error() looks at the queue */
}

/* After a call that gave `result` <= 0: what that means for its owner. */
static int end(struct tls_wire *wire, int result, unsigned long *ret_error)
{
    int error = SSL_get_error(wire->ssl, result);
    wire->input = NULL;
    wire->out = NULL;
    if (error == SSL_ERROR_WANT_READ)
        return TLS_WIRE_MORE;
    if (error == SSL_ERROR_ZERO_RETURN)
        return TLS_WIRE_CLOSED;
    if (ret_error)
        *ret_error = ERR_peek_error();
    forget_errors();
    wire->failed = true;
    return TLS_WIRE_FAILED;
}

static void done(struct tls_wire *wire)
{
    wire->input = NULL;
    wire->out = NULL;
}

int tls_wire_handshake(struct tls_wire *wire, struct span *input, struct text *out, unsigned long *ret_error)
{
    if (wire->failed)
        return TLS_WIRE_FAILED;
    begin(wire, input, out);
    int result = SSL_do_handshake(wire->ssl);
    if (result != 1) {
        int outcome = end(wire, result, ret_error);
        wire->failed |= outcome == TLS_WIRE_CLOSED; /* before anything was agreed on */
        return wire->failed ? TLS_WIRE_FAILED : outcome;
    }
    done(wire);
    return 0;
}

int tls_wire_read(struct tls_wire *wire, struct span *input, char *bytes, size_t room, struct text *out,
                  size_t *ret_size)
{
    size_t size = 0;
    if (wire->failed)
        return TLS_WIRE_FAILED;
    begin(wire, input, out);
    while (size < room) {
        size_t part = 0;
        int result = SSL_read_ex(wire->ssl, bytes + size, room - size, &part);
        if (result != 1) {
            *ret_size = size;
            return end(wire, result, NULL);
        }
        size += part;
        if (input->size == 0 && size < room && !SSL_has_pending(wire->ssl)) { /* it would only say so */
            done(wire);
            *ret_size = size;
            return TLS_WIRE_MORE;
        }
    }
    done(wire);
    *ret_size = size;
    return 0;
}

int tls_wire_write(struct tls_wire *wire, struct span bytes, struct text *out)
{
    size_t written = 0;
    if (wire->failed)
        return TLS_WIRE_FAILED;
    if (bytes.size == 0)
        return 0;
    begin(wire, NULL, out);
    int result = SSL_write_ex(wire->ssl, bytes.at, bytes.size, &written);
    if (result != 1) {
        (void)end(wire, result, NULL);
        wire->failed = true;
        return TLS_WIRE_FAILED;
    }
    done(wire);
    return 0;
}

void tls_wire_close(struct tls_wire *wire, struct text *out)
{
    if (wire->failed || SSL_in_init(wire->ssl) || (SSL_get_shutdown(wire->ssl) & SSL_SENT_SHUTDOWN))
        return;
    begin(wire, NULL, out);
    if (SSL_shutdown(wire->ssl) < 0)
        ERR_clear_error();
    done(wire);
}

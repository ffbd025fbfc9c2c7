/* Rows of digests beside a copy of their settings; any thread, nothing changes after it was made. Owns its copies. */
#include "auth/api_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "gateway/base/encoding.h"

enum { DIGEST_BYTES = 32 };

struct row {
    unsigned char digest[DIGEST_BYTES];
    struct api_key_settings settings; /* name and scopes, ours; no digest */
};

struct api_key_table {
    size_t rows;
    struct row row[];
};

static int digest(struct span key, unsigned char out[DIGEST_BYTES])
{
    return EVP_Digest(key.size ? key.at : "", key.size, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

/* ---- making ---- */

static int copy_scopes(const struct name_list *from, struct name_list *to)
{
    to->name = calloc(MAX(from->count, (size_t)1), sizeof(*to->name));
    if (!to->name)
        return -ENOMEM;
    for (; to->count < from->count; to->count++) {
        to->name[to->count] = strdup(from->name[to->count]);
        if (!to->name[to->count])
            return -ENOMEM;
    }
    return 0;
}

static int fill(struct row *row, const struct api_key_settings *from)
{
    CLEANUP(text_done) struct text bytes = TEXT(DIGEST_BYTES);
    struct span hex = span_of(from->sha256);
    if (!from->name || from->name[0] == '\0' || hex.size != API_KEY_HEX_BYTES ||
        from->scopes.count > API_KEY_MAX_SCOPES)
        return -EINVAL;
    int result = hex_decode(hex, &bytes);
    if (result < 0)
        return result;
    memcpy(row->digest, bytes.at, DIGEST_BYTES);
    row->settings.place = from->place;
    row->settings.name = strdup(from->name);
    return row->settings.name ? copy_scopes(&from->scopes, &row->settings.scopes) : -ENOMEM;
}

int api_key_table_new(const struct api_key_settings *row, size_t rows, struct api_key_table **ret_table)
{
    if (rows > API_KEY_MAX_ROWS)
        return -EINVAL;
    struct api_key_table *table = calloc(1, sizeof(*table) + rows * sizeof(table->row[0]));
    if (!table)
        return -ENOMEM;
    int result = 0;
    for (table->rows = 0; table->rows < rows && result == 0; table->rows++)
        result = fill(&table->row[table->rows], &row[table->rows]);
    if (result < 0) {
        api_key_table_free(table);
        return result;
    }
    *ret_table = table;
    return 0;
}

void api_key_table_free(struct api_key_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->rows; i++) {
        struct api_key_settings *settings = &table->row[i].settings;
        for (size_t k = 0; k < settings->scopes.count; k++)
            free(settings->scopes.name[k]);
        free(settings->scopes.name);
        free(settings->name);
    }
    free(table);
}

/* ---- looking ---- */

int api_key_find(const struct api_key_table *table, struct span key, const struct api_key_settings **ret_row)
{
    unsigned char shown[DIGEST_BYTES];
    if (key.size > API_KEY_MAX_BYTES)
        return API_KEY_UNKNOWN; /* nothing is known of that size: this tells nobody anything */
    if (digest(key, shown) < 0)
        return -ENOMEM;
    size_t found = table->rows;
    for (size_t i = table->rows; i-- > 0;) {
        size_t differs = CRYPTO_memcmp(shown, table->row[i].digest, DIGEST_BYTES) != 0;
        size_t keep = (size_t)0 - differs; /* all bits, or none: no branch depends on what was equal */
        found = (found & keep) | (i & ~keep);
    }
    if (found == table->rows)
        return API_KEY_UNKNOWN;
    *ret_row = &table->row[found].settings;
    return 0;
}

static bool is_visible(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return true;
}

int api_key_hash(struct span key, char out[API_KEY_HEX_BYTES + 1])
{
    unsigned char bytes[DIGEST_BYTES];
    CLEANUP(text_done) struct text hex = TEXT(API_KEY_HEX_BYTES);
    if (key.size < API_KEY_MIN_BYTES || key.size > API_KEY_MAX_BYTES || !is_visible(key))
        return -EINVAL;
    if (digest(key, bytes) < 0)
        return -ENOMEM;
    hex_encode((struct span){(const char *)bytes, sizeof(bytes)}, &hex);
    if (hex.error)
        return hex.error;
    memcpy(out, hex.at, API_KEY_HEX_BYTES);
    out[API_KEY_HEX_BYTES] = '\0';
    return 0;
}

/* Judges certificates row by row, so that each mistake stands at its place, and then a listener's together. Owns
   nothing beyond a call. */
#include "gateway/main/certificates.h"

#include <stdio.h>

#include "gateway/config/config.h"
#include "gateway/config/mistakes.h"
#include "transports/serve/tls_context.h"

struct judge {
    struct tls_tickets *tickets;
    struct mistakes mistakes;
};

static int judge_row(struct judge *judge, const struct tls_settings *tls, struct place place, const char *label)
{
    CLEANUP(text_done) struct text problem = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct tls_context *context = NULL;
    int result = tls_context_new(tls, judge->tickets, &problem, &context);
    tls_context_unref(context);
    if (result <= 0)
        return result;
    struct text *sentence = mistake(&judge->mistakes, (struct position){place.line, place.column});
    text_addf(sentence, "%s: %.*s", label, SPAN_PRINT(text_span(&problem)));
    return 0;
}

static int judge_listener(struct judge *judge, const struct tls_settings *tls, size_t index)
{
    char label[64];
    struct tls_settings row = *tls;
    size_t before = judge->mistakes.count;
    row.snis = 0;
    (void)snprintf(label, sizeof(label), "listen[%zu].tls", index);
    int result = judge_row(judge, &row, tls->place, label);
    for (size_t i = 0; i < tls->snis && result == 0; i++) {
        row = (struct tls_settings){.certificate = tls->sni[i].certificate, .key = tls->sni[i].key};
        (void)snprintf(label, sizeof(label), "listen[%zu].tls.sni[%zu]", index, i);
        result = judge_row(judge, &row, tls->sni[i].place, label);
    }
    if (result != 0 || judge->mistakes.count > before)
        return result;
    (void)snprintf(label, sizeof(label), "listen[%zu].tls", index);
    return judge_row(judge, tls, tls->place, label); /* each is fine by itself */
}

int certificates_check(const char *file, const struct settings *settings, struct text *mistakes)
{
    struct judge judge = {.tickets = NULL};
    int result = 0;
    for (size_t i = 0; i < settings->listeners && result == 0; i++) {
        if (!settings->listener[i].tls.certificate)
            continue;
        if (!judge.tickets)
            result = tls_tickets_new(&judge.tickets);
        if (result == 0)
            result = judge_listener(&judge, &settings->listener[i].tls, i);
    }
    if (result == 0 && judge.mistakes.count > 0)
        result = CONFIG_MISTAKES;
    mistakes_write(&judge.mistakes, file, mistakes);
    mistakes_done(&judge.mistakes);
    tls_tickets_unref(judge.tickets);
    return result;
}

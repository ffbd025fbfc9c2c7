/* What a session owes and is owed: our requests that its client has not answered (questions), and its calls that it may
   cancel. Any thread, under the session's lock; calls are told after the lock is free. */
#include <errno.h>

#include "gateway/core/bridge.h"
#include "gateway/core/call_priv.h"
#include "gateway/core/session_priv.h"

/* ---- questions ---- */

static void question_free(struct question *question)
{
    call_unref(question->call);
    free(question);
}

static int add_question(struct session *session, struct question *question)
{
    if (atomic_load(&session->closed) || HASH_COUNT(session->questions) >= SESSION_MAX_QUESTIONS)
        return QUOTA_REFUSED;
    question->id = session->next_question++;
    HASH_ADD(hh, session->questions, id, sizeof(question->id), question);
    return question->hh.tbl ? 0 : -ENOMEM;
}

int session_ask(struct session *session, struct call *call, struct span key, uint64_t *ret_id)
{
    struct question *question = calloc(1, sizeof(*question) + key.size);
    if (!question)
        return -ENOMEM;
    question->call = call_ref(call);
    question->key_size = key.size;
    memcpy(question->key, key.at, key.size);
    pthread_mutex_lock(&session->lock);
    int r = add_question(session, question);
    if (r == 0)
        *ret_id = question->id;
    pthread_mutex_unlock(&session->lock);
    if (r != 0)
        question_free(question);
    return r;
}

static struct question *take_question(struct session *session, uint64_t id)
{
    struct question *question = NULL;
    pthread_mutex_lock(&session->lock);
    HASH_FIND(hh, session->questions, &id, sizeof(id), question);
    if (question)
        HASH_DEL(session->questions, question);
    pthread_mutex_unlock(&session->lock);
    return question;
}

bool session_answer(struct session *session, const struct envelope *response)
{
    uint64_t id = 0;
    if (span_to_uint64(response->id, &id) < 0)
        return false;
    struct question *question = take_question(session, id);
    if (!question)
        return false;
    bridge_answer(question->call, (struct span){question->key, question->key_size}, response->member[MEMBER_RESULT].raw,
                  response->member[MEMBER_ERROR].raw);
    question_free(question);
    return true;
}

void session_forget(struct session *session, struct call *call)
{
    struct question *question, *next;
    pthread_mutex_lock(&session->lock);
    HASH_ITER(hh, session->questions, question, next)
    {
        if (question->call != call)
            continue;
        HASH_DEL(session->questions, question);
        question_free(question); /* never the last reference: the caller has one */
    }
    pthread_mutex_unlock(&session->lock);
}

/* ---- calls ---- */

static struct call *call_of(struct link *link)
{
    return CONTAINER_OF(link, struct call, in_session);
}

/* With the lock held. The reference is the caller's then. */
static struct call *take_call(struct session *session, struct link *link)
{
    link_remove(link);
    session->call_count--;
    atomic_fetch_sub(&session->busy, 1);
    return call_of(link);
}

int session_add_call(struct session *session, struct call *call)
{
    pthread_mutex_lock(&session->lock);
    int r = atomic_load(&session->closed) ? SESSION_CLOSED : session->call_count < SESSION_MAX_CALLS ? 0 : -ENOSPC;
    if (r == 0) {
        link_append(&session->calls, &call_ref(call)->in_session);
        session->call_count++;
        atomic_fetch_add(&session->busy, 1);
    }
    pthread_mutex_unlock(&session->lock);
    return r;
}

void session_remove_call(struct session *session, struct call *call)
{
    struct call *taken = NULL;
    pthread_mutex_lock(&session->lock);
    if (!link_alone(&call->in_session))
        taken = take_call(session, &call->in_session);
    pthread_mutex_unlock(&session->lock);
    call_unref(taken);
}

void session_cancel_call(struct session *session, struct span id)
{
    struct call *call = NULL;
    pthread_mutex_lock(&session->lock);
    for (struct link *link = session->calls.next; link != &session->calls && !call; link = link->next)
        if (envelope_id_equal(call_of(link)->exchange->envelope.id, id))
            call = call_ref(call_of(link));
    pthread_mutex_unlock(&session->lock);
    if (call) {
        call_cancel(call, CALL_CANCELLED_BY_CLIENT);
        call_unref(call);
    }
}

/* The session is closed: whatever still runs for it is cancelled, and with that its questions are forgotten. */
void questions_close(struct session *session)
{
    for (;;) {
        struct call *call = NULL;
        pthread_mutex_lock(&session->lock);
        if (!link_alone(&session->calls))
            call = take_call(session, session->calls.next);
        pthread_mutex_unlock(&session->lock);
        if (!call)
            return;
        call_cancel(call, CALL_SESSION_ENDED);
        call_unref(call);
    }
}

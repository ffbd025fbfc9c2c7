/* openapi/gateway.yaml against the tables of the code, both ways: what is served is in the contract, and what is in the
   contract is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/document.h"
#include "gateway/mcp/errors.h"
#include "gateway/ops/pages.h"
#include "openapi/contract.h"
#include "transports/serve/http_parts.h"
#include "transports/serve/sse_legacy.h"

#include <ctype.h>
#include <stdio.h>

/* What is no page: the endpoints, under the names that they have by default. */
static const struct endpoint {
    const char *path;
    enum http_route route;
} endpoints[] = {
    {"/mcp", HTTP_ROUTE_MCP},
    {SSE_LEGACY_STREAM_PATH, HTTP_ROUTE_SSE},
    {SSE_LEGACY_MESSAGES_PATH, HTTP_ROUTE_MESSAGES},
    {GUARD_METADATA_PATH, HTTP_ROUTE_METADATA},
};

/* Statuses of endpoints that are no row of errors.def: what went well, and what is judged before there is a message. */
static const int other_statuses[] = {101, 200, 202, 204, 426, 431, 500, 501, 505};

static struct document *document;
static const struct node *paths;

static int read_contract(void **state)
{
    struct mistakes mistakes = {0};
    (void)state;
    assert_int_equal(document_parse(contract_document(), &mistakes, &document), 0);
    mistakes_done(&mistakes);
    paths = node_find(document_root(document), SPAN("paths"));
    assert_non_null(paths);
    return 0;
}

static int free_contract(void **state)
{
    (void)state;
    document_free(document);
    return 0;
}

static const struct node *find(const struct node *node, const char *key)
{
    return node ? node_find(node, span_of(key)) : NULL;
}

static struct page *served_pages(void)
{
    static struct sources sources;
    static struct page pages[PAGES_COUNT];
    assert_int_equal(pages_fill(&sources, pages), 0);
    return pages;
}

static bool is_served(struct span path)
{
    const struct page *pages = served_pages();
    for (size_t i = 0; i < PAGES_COUNT; i++)
        if (span_is(path, pages[i].path))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++)
        if (span_is(path, endpoints[i].path))
            return true;
    return false;
}

static void test_pages_are_in_it(void **state)
{
    const struct page *pages = served_pages();
    (void)state;
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        const struct node *path = find(paths, pages[i].path);
        print_message("%s\n", pages[i].path);
        const struct node *get = find(path, "get");
        assert_non_null(get);
        assert_int_equal(find(get, "x-listener") != NULL, pages[i].where == PAGE_ADMIN);
        assert_int_equal(find(path, "put") != NULL, pages[i].change != NULL);
        const struct node *content = find(find(find(get, "responses"), "200"), "content");
        assert_non_null(find(content, pages[i].content_type));
    }
}

static void test_it_is_served(void **state)
{
    size_t count = 0;
    (void)state;
    for (const struct node *path = paths->first; path; path = path->next, count++) {
        print_message("%.*s\n", SPAN_PRINT(path->key));
        assert_true(is_served(path->key));
    }
    assert_int_equal(count, PAGES_COUNT + ARRAY_SIZE(endpoints));
}

enum { METHOD_BYTES = 16 };

/* "post" of "POST", or the other way round. */
static struct span in_case(struct span method, int (*convert)(int), char out[METHOD_BYTES])
{
    size_t size = MIN(method.size, (size_t)METHOD_BYTES - 1);
    for (size_t i = 0; i < size; i++)
        out[i] = (char)convert((unsigned char)method.at[i]);
    out[size] = '\0';
    return (struct span){out, size};
}

static void test_methods(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
        const struct node *path = find(paths, endpoints[i].path);
        struct span allowed = span_of(http_route_allow(endpoints[i].route));
        char name[METHOD_BYTES];
        while (!span_absent(allowed))
            assert_non_null(node_find(path, in_case(span_trim(span_cut(&allowed, ',')), tolower, name)));
        for (const struct node *method = path->first; method; method = method->next)
            assert_true(span_is(method->key, "options") ||
                        http_route_has(endpoints[i].route, in_case(method->key, toupper, name)));
    }
}

static bool has_status(const struct node *operation, int status)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", status);
    return find(find(operation, "responses"), text) != NULL;
}

static void test_errors_are_in_it(void **state)
{
    const struct node *post = find(find(paths, "/mcp"), "post");
    (void)state;
    for (unsigned error = 0; error < ERROR_COUNT; error++) {
        const struct error_row *row = error_row((enum error_name)error);
        for (unsigned era = 0; era < ERA_COUNT; era++) {
            print_message("%s: %d\n", row->text, row->status[era]);
            assert_true(has_status(post, row->status[era]));
        }
    }
}

static bool is_known_status(struct span text)
{
    uint64_t status;
    if (span_to_uint64(text, &status) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(other_statuses); i++)
        if ((int)status == other_statuses[i])
            return true;
    for (unsigned error = 0; error < ERROR_COUNT; error++)
        for (unsigned era = 0; era < ERA_COUNT; era++)
            if ((int)status == error_row((enum error_name)error)->status[era])
                return true;
    return false;
}

static void test_statuses_are_real(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
        const struct node *path = find(paths, endpoints[i].path);
        for (const struct node *method = path->first; method; method = method->next)
            for (const struct node *status = find(method, "responses")->first; status; status = status->next) {
                print_message("%s %.*s\n", endpoints[i].path, SPAN_PRINT(status->key));
                assert_true(is_known_status(status->key));
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_in_it),   cmocka_unit_test(test_it_is_served),
        cmocka_unit_test(test_methods),           cmocka_unit_test(test_errors_are_in_it),
        cmocka_unit_test(test_statuses_are_real),
    };
    return cmocka_run_group_tests(tests, read_contract, free_contract);
}

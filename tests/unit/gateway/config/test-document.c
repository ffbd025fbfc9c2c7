/* Unit tests of gateway/config/document.h and node_json.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/document.h"

#include "gateway/config/node_json.h"

/* The document as JSON, or its mistakes. */
static void convert(struct span yaml, struct text *out)
{
    struct mistakes mistakes = {0};
    CLEANUP(document_freep) struct document *document = NULL;
    text_clear(out);
    int result = document_parse(yaml, &mistakes, &document);
    assert_true(result == 0 || result == DOCUMENT_INVALID);
    assert_int_equal(result == 0, mistakes.count == 0);
    if (result == 0 && document_root(document))
        result = node_json(document_root(document), &mistakes, out);
    if (result != 0) {
        text_clear(out);
        mistakes_write(&mistakes, "f", out);
    }
    text_terminate(out);
    mistakes_done(&mistakes);
}

struct row {
    const char *yaml, *outcome, *comment;
};

static void run(const struct row *row, size_t count)
{
    CLEANUP(text_done) struct text out = TEXT(1 * MIB);
    for (size_t i = 0; i < count; i++) {
        print_message("%s\n", row[i].comment);
        convert(span_of(row[i].yaml), &out);
        assert_string_equal(out.at, row[i].outcome);
    }
}

static void test_scalars(void **state)
{
    static const struct row rows[] = {
        {"a: 1\nb: two", "{\"a\":1,\"b\":\"two\"}", "order is kept"},
        {"b: 1\na: 2", "{\"b\":1,\"a\":2}", "whatever it is"},
        {"[1, -1, 0, 1.5, 1e3, 1E-3, -0]", "[1,-1,0,1.5,1e3,1E-3,-0]", "JSON's numbers keep their digits"},
        {"[+1, 007, -007, 00, .5, 5., 5.e3, -.5, +.5e-1]", "[1,7,-7,0,0.5,5.0,5.0e3,-0.5,0.5e-1]",
         "YAML's own spellings become JSON's"},
        {"[0x1F, 0o17, 0xffffffffffffffff]", "[31,15,18446744073709551615]", "hexadecimal and octal"},
        {"[123456789012345678901234567890]", "[123456789012345678901234567890]", "no digit is lost"},
        {"[yes, no, on, off, y, n]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]", "no booleans of YAML 1.1"},
        {"[true, True, TRUE, false]", "[true,true,true,false]", "booleans of YAML 1.2"},
        {"[null, ~, Null, NULL]", "[null,null,null,null]", "null"},
        {"a:\nb: ~", "{\"a\":null,\"b\":null}", "nothing after a key"},
        {"['1', \"true\", 'null', \"~\", '']", "[\"1\",\"true\",\"null\",\"~\",\"\"]", "quotes make texts"},
        {"[!!str 1, ! true]", "[\"1\",\"true\"]", "and so does !!str"},
        {"[1_000, 12:30:00, 0b1, 1e, ., +, -x, 0x, 0o8, 1.2.3, e3, 0xg]",
         "[\"1_000\",\"12:30:00\",\"0b1\",\"1e\",\".\",\"+\",\"-x\",\"0x\",\"0o8\",\"1.2.3\",\"e3\",\"0xg\"]",
         "texts that look like numbers, or are ones in YAML 1.1"},
        {"2001-12-14", "\"2001-12-14\"", "no dates"},
        {"a: |\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\"}", "a literal block"},
        {"a: >-\n  one\n  two\n", "{\"a\":\"one two\"}", "a folded block"},
        {"a: \"\\u00e9\\n\\0\"", "{\"a\":\"\xc3\xa9\\n\\u0000\"}", "escapes"},
        {"{\"a\": [1, {\"b\": null}], \"c\": \"\\\"\"}", "{\"a\":[1,{\"b\":null}],\"c\":\"\\\"\"}", "JSON is YAML"},
        {"{}", "{}", "an empty mapping"},
        {"[]", "[]", "an empty list"},
        {"\"\": 1", "{\"\":1}", "an empty key"},
        {"1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}", "keys are texts"},
        {"", "", "an empty file"},
        {"# nothing\n", "", "a comment"},
        {"--- a\n...\n", "\"a\"", "a marked document"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}", "a byte order mark"},
        {"%YAML 1.2\n---\na: 1", "{\"a\":1}", "a version"},
    };
    (void)state;
    run(rows, ARRAY_SIZE(rows));
}

static void test_mistakes(void **state)
{
    static const struct row rows[] = {
        {"a: 1\nb: 2\na: 3", "f:3:1: the key \"a\" is here twice; the first is in line 1\n", "a duplicate key"},
        {"x: {a: 1, b: 2,\n  a: 3, a: 4}",
         "f:2:3: the key \"a\" is here twice; the first is in line 1\n"
         "f:2:9: the key \"a\" is here twice; the first is in line 1\n",
         "three of them, two mistakes"},
        {"\"a\": 1\na: 2", "f:2:1: the key \"a\" is here twice; the first is in line 1\n", "quotes make no difference"},
        {"a: &x 1\n", "f:1:4: anchors (&) are not supported: write the value out where it is used\n", "an anchor"},
        {"a: &x [1]\nb: *x",
         "f:1:4: anchors (&) are not supported: write the value out where it is used\n"
         "f:2:4: aliases (*) are not supported: write the value out\n",
         "an alias"},
        {"<<: {a: 1}", "f:1:1: merge keys (<<) are not supported: write the members out\n", "a merge key"},
        {"a: !!int 1\nb: !custom {}",
         "f:1:4: tags are not supported, except !!str\nf:2:4: tags are not supported, except !!str\n", "tags"},
        {"[a]: 1", "f:1:1: a key must be a scalar, not a list or a mapping\n", "a list as a key"},
        {"a: 1\n---\nb: 2", "f:2:1: a second document (---) begins here: a configuration is one\n", "two documents"},
        {"\"a\\0b\": 1", "f:1:1: a key must not hold a NUL character\n", "NUL in a key"},
        {"a: .inf\nb: [.nan, -.INF]",
         "f:1:4: infinity and not-a-number have no JSON: use a number, or quotes\n"
         "f:2:5: infinity and not-a-number have no JSON: use a number, or quotes\n"
         "f:2:11: infinity and not-a-number have no JSON: use a number, or quotes\n",
         "numbers without JSON"},
        {"a: 0x1ffffffffffffffff", "f:1:4: the number does not fit into 64 bits: write it in decimal\n", "too long"},
        {"a: [1, 2", "f:2:1: not YAML: did not find expected ',' or ']' (while parsing a flow sequence in line 1)\n",
         "an open bracket"},
        {"a:\n\t- b",
         "f:2:1: not YAML: found character that cannot start any token "
         "(while scanning for the next token in line 2)\n",
         "a tab"},
        {"a: 1\n b: 2", "f:2:3: not YAML: mapping values are not allowed in this context\n", "wrong indentation"},
        {"a: \xff", "f:1:4: not YAML: invalid leading UTF-8 octet\n", "no UTF-8"},
        {"\xc3\xa9: 1\n\xc3\xa9: b\x01", "f:2:5: not YAML: control characters are not allowed\n",
         "columns are characters, not bytes"},
    };
    (void)state;
    run(rows, ARRAY_SIZE(rows));
}

static void repeat(struct text *text, const char *piece, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_add(text, span_of(piece));
}

static void test_bounds(void **state)
{
    CLEANUP(text_done) struct text yaml = TEXT(8 * MIB), out = TEXT(8 * MIB);
    (void)state;
    repeat(&yaml, "[", DOCUMENT_MAX_DEPTH);
    repeat(&yaml, "]", DOCUMENT_MAX_DEPTH);
    convert(text_span(&yaml), &out);
    assert_true(span_equal(text_span(&out), text_span(&yaml)));

    text_clear(&yaml);
    repeat(&yaml, "[", DOCUMENT_MAX_DEPTH + 1);
    repeat(&yaml, "]", DOCUMENT_MAX_DEPTH + 1);
    convert(text_span(&yaml), &out);
    assert_string_equal(out.at, "f:1:61: lists and mappings are nested too deeply (60 at most)\n");

    text_clear(&yaml);
    repeat(&yaml, "- 1\n", DOCUMENT_MAX_NODES + 1);
    convert(text_span(&yaml), &out);
    assert_string_equal(out.at, "f:200000:3: there are too many values (200000 at most)\n");

    text_clear(&yaml);
    repeat(&yaml, "# comment\n", DOCUMENT_MAX_BYTES / 10 + 1);
    convert(text_span(&yaml), &out);
    assert_string_equal(out.at, "f:1:1: the file is larger than 4 MiB\n");
}

static void test_many_mistakes(void **state)
{
    CLEANUP(text_done) struct text yaml = TEXT(1 * MIB), out = TEXT(1 * MIB);
    size_t lines = 0;
    (void)state;
    repeat(&yaml, "a: 1\n", MISTAKES_MAX + 11);
    convert(text_span(&yaml), &out);
    for (size_t i = 0; i < out.size; i++)
        lines += out.at[i] == '\n';
    assert_int_equal(lines, MISTAKES_MAX + 1);
    assert_non_null(strstr(out.at, "f: and 10 mistakes more\n"));
}

static void test_pointers(void **state)
{
    static const struct {
        const char *pointer;
        unsigned line;
        const char *comment;
    } rows[] = {
        {"#", 1, "the whole"},
        {"#/a", 2, "a member"},
        {"#/a/b", 3, "one below"},
        {"#/a/list/1", 6, "an item"},
        {"#/a/list/9", 4, "an item that is not there: as far as it goes"},
        {"#/a/x~1y", 7, "a slash in a name"},
        {"#/a/t~0z", 8, "a tilde in a name"},
        {"#/a/%64", 9, "percent-encoded"},
        {"#/a/b/c", 3, "below a scalar"},
        {"", 1, "nothing"},
    };
    struct mistakes mistakes = {0};
    CLEANUP(document_freep) struct document *document = NULL;
    (void)state;
    assert_int_equal(document_parse(SPAN("# comment\n"
                                         "a:\n"
                                         "  b: 1\n"
                                         "  list:\n"
                                         "    - 1\n"
                                         "    - 2\n"
                                         "  x/y: 3\n"
                                         "  t~z: 4\n"
                                         "  d: 5\n"),
                                    &mistakes, &document),
                     0);
    const struct node *root = document_root(document);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct node *place = node_at_pointer(root, span_of(rows[i].pointer));
        unsigned line = place == root ? 1 : place->key_at.line ? place->key_at.line : place->at.line;
        print_message("%s: %s\n", rows[i].comment, rows[i].pointer);
        assert_int_equal(line, rows[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),       cmocka_unit_test(test_mistakes), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

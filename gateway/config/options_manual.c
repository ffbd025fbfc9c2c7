/* weir.yaml(5) as troff's man macros have it, from the table alone. Pure; owns nothing. */
#include "gateway/config/options.h"
#include "gateway/config/troff.h"

/* A row of `weir options`: its name is a line that is not indented, what it says is. */
static void add_line(struct text *out, struct span line)
{
    struct span words = span_trim(line);
    if (words.size == 0)
        return;
    if (line.at[0] == ' ') {
        troff_add(out, words);
        text_add_literal(out, "\n.br\n");
        return;
    }
    text_add_literal(out, ".TP\n.B ");
    troff_add(out, words);
    text_add_char(out, '\n');
}

void options_manual(struct text *out)
{
    CLEANUP(text_done) struct text page = TEXT(1 * MIB);
    options_print_rows(&page);
    text_add_literal(
        out,
        ".TH WEIR.YAML 5 \"\" \"weir " WEIR_VERSION "\" \"File formats\"\n"
        ".SH NAME\nweir.yaml \\- configuration of the MCP gateway weir\n"
        ".SH DESCRIPTION\n"
        "YAML 1.2, and so JSON as well. Every option has a default; an empty file is a configuration. Dots in the\n"
        "names below are nesting: limits.max_payload is max_payload under limits. What is written with [] is a\n"
        "member of each entry of a list.\n"
        ".PP\nThe environment beats the file: the variable of an option stands beside its bounds. Sizes take KiB,\n"
        "MiB and GiB, durations ms, s, m and h. A secret may be written as file:PATH or env:NAME.\n"
        ".PP\n.B weir check\nsays every mistake of a file with its line and column. SIGHUP makes a running gateway\n"
        "read its file again; what is fixed while it runs needs a restart.\n"
        ".SH OPTIONS\n");
    struct span rest = text_span(&page);
    while (!span_absent(rest))
        add_line(out, span_cut(&rest, '\n'));
    text_add_literal(out, ".SH SEE ALSO\n.BR weir (1)\n");
    if (page.error != 0)
        out->error = page.error;
}

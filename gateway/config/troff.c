/* What troff would take for its own, escaped. Pure. */
#include "gateway/config/troff.h"

void troff_add(struct text *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.at[i];
        bool begins = i == 0 || text.at[i - 1] == '\n';
        if (byte == '\\')
            text_add_literal(out, "\\e");
        else if (byte == '-')
            text_add_literal(out, "\\-");
        else if (byte == '\n')
            text_add_literal(out, "\n.br\n");
        else if (begins && (byte == '.' || byte == '\''))
            text_addf(out, "\\&%c", byte);
        else
            text_add_char(out, byte);
    }
}

/* weir completion: what a shell needs to complete commands and their options, made from the table of commands. The
   options of a command are the words with two hyphens in its usage and help; whatever else it takes is completed as
   file names. */
#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/main/commands.h"

enum { SCRIPT_MAX_BYTES = 1 << 20 };

static bool is_name(char byte)
{
    return byte == '-' || (byte >= 'a' && byte <= 'z');
}

/* The next option in the text, and the text behind it; absent: there is none. */
static struct span next_option(struct span *text)
{
    while (text->size > 2) {
        size_t size = 0;
        if (text->at[0] == '-' && text->at[1] == '-')
            while (size < text->size && is_name(text->at[size]))
                size++;
        struct span option = {text->at, size};
        text->at += MAX(size, (size_t)1);
        text->size -= MAX(size, (size_t)1);
        if (size > 2)
            return option;
    }
    return (struct span){0};
}

/* Words are parted by blanks. */
static bool has_word(struct span words, struct span word)
{
    while (!span_absent(words)) {
        if (span_equal(span_cut(&words, ' '), word))
            return true;
    }
    return false;
}

static void add_options_of(struct text *words, const char *text)
{
    struct span rest = span_of(text), option;
    while (!span_absent(option = next_option(&rest))) {
        if (has_word(text_span(words), option))
            continue;
        if (words->size > 0)
            text_add_char(words, ' ');
        text_add(words, option);
    }
}

static void add_options(struct text *out, const struct command *command)
{
    CLEANUP(text_done) struct text words = TEXT(SCRIPT_MAX_BYTES);
    add_options_of(&words, command->arguments);
    add_options_of(&words, command->help);
    text_add(out, text_span(&words));
    if (words.error != 0)
        out->error = words.error;
}

/* The first line of what is said of it; quotes would end the shell's own. */
static void add_summary(struct text *out, const struct command *command)
{
    struct span help = span_of(command->help), line = span_cut(&help, '\n');
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] != '\'' && line.at[i] != ':')
            text_add_char(out, line.at[i]);
}

/* ---- the shells ---- */

static void add_bash(struct text *out, const struct command *commands, size_t count)
{
    text_add_literal(out, "_weir() {\n"
                          "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                          "    if ((COMP_CWORD == 1)); then\n"
                          "        words='");
    for (size_t i = 0; i < count; i++)
        text_addf(out, "%s%s", i > 0 ? " " : "", commands[i].name);
    text_add_literal(out, "'\n"
                          "    else\n"
                          "        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < count; i++) {
        text_addf(out, "        %s) words='", commands[i].name);
        add_options(out, &commands[i]);
        text_add_literal(out, "' ;;\n");
    }
    text_add_literal(out, "        esac\n"
                          "    fi\n"
                          "    COMPREPLY=()\n"
                          "    if ((COMP_CWORD == 1)) || [[ $word == -* ]]; then\n"
                          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                          "    fi\n"
                          "}\n"
                          "complete -o default -F _weir weir\n");
}

static void add_zsh(struct text *out, const struct command *commands, size_t count)
{
    text_add_literal(out, "#compdef weir\n"
                          "_weir() {\n"
                          "    local -a commands=(\n");
    for (size_t i = 0; i < count; i++) {
        text_addf(out, "        '%s:", commands[i].name);
        add_summary(out, &commands[i]);
        text_add_literal(out, "'\n");
    }
    text_add_literal(out, "    )\n"
                          "    if ((CURRENT == 2)); then\n"
                          "        _describe command commands\n"
                          "        return\n"
                          "    fi\n"
                          "    case $words[2] in\n");
    for (size_t i = 0; i < count; i++) {
        text_addf(out, "    %s) [[ $PREFIX == -* ]] && compadd -- ", commands[i].name);
        add_options(out, &commands[i]);
        text_add_literal(out, " || _files ;;\n");
    }
    text_add_literal(out, "    esac\n"
                          "}\n"
                          "compdef _weir weir\n");
}

static const struct shell {
    const char *name;
    void (*add)(struct text *out, const struct command *commands, size_t count);
} shells[] = {{"bash", add_bash}, {"zsh", add_zsh}};

int completion_command(int argc, char **argv)
{
    CLEANUP(text_done) struct text script = TEXT(SCRIPT_MAX_BYTES);
    size_t count;
    const struct command *commands = commands_table(&count);
    for (size_t i = 0; i < ARRAY_SIZE(shells) && argc == 2; i++)
        if (strcmp(argv[1], shells[i].name) == 0)
            shells[i].add(&script, commands, count);
    if (script.size == 0) {
        (void)fprintf(stderr, "usage: weir completion bash | zsh\n");
        return EXIT_USAGE;
    }
    if (script.error || fwrite(script.at, 1, script.size, stdout) != script.size || fflush(stdout) != 0) {
        (void)fprintf(stderr, "weir completion: the script cannot be written\n");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* Options that are numbers: booleans, counts, sizes, durations and choices. Owns nothing. */
#include <errno.h>

#include "gateway/config/types.h"
#include "gateway/config/value.h"

uint64_t option_number(const struct option *option, const void *record)
{
    const void *field = option_field_const(option, record);
    switch (option->width) {
    case 1:
        return *(const uint8_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        return *(const uint64_t *)field;
    }
}

void option_set_number(const struct option *option, void *record, uint64_t value)
{
    void *field = option_field(option, record);
    switch (option->width) {
    case 1:
        *(uint8_t *)field = value != 0;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    default:
        *(uint64_t *)field = value;
    }
}

/* What the numbers differ in. */
struct number_form {
    int (*read)(struct span text, uint64_t *ret_value);
    void (*add)(struct text *out, uint64_t value);
    const char *expected;
};

static int read_number(const struct option *option, void *record, struct span text, const struct number_form *form,
                       struct text *problem)
{
    uint64_t value;
    int result = form->read(text, &value);
    if (result == 0 && value >= option->minimum && value <= option->maximum) {
        option_set_number(option, record, value);
        return 0;
    }
    mistake_add_value(problem, text);
    if (result == -EINVAL) {
        text_addf(problem, " is not %s", form->expected);
        return OPTION_WRONG;
    }
    bool small = result == 0 && value < option->minimum;
    text_addf(problem, " is too %s: ", small ? "small" : "large");
    form->add(problem, small ? option->minimum : option->maximum);
    text_add(problem, small ? SPAN(" at least") : SPAN(" at most"));
    return OPTION_WRONG;
}

#define NUMBER_TYPE(NAME, label, read_value, add_value, expectation)                                                   \
    static int read_##NAME(const struct option *option, void *record, struct span text, const char *directory UNUSED,  \
                           struct text *problem)                                                                       \
    {                                                                                                                  \
        static const struct number_form form = {read_value, add_value, expectation};                                   \
        return read_number(option, record, text, &form, problem);                                                      \
    }                                                                                                                  \
    static void show_##NAME(const struct option *option, const void *record, struct text *out)                         \
    {                                                                                                                  \
        add_value(out, option_number(option, record));                                                                 \
    }                                                                                                                  \
    const struct option_type option_type_##NAME = {.name = label, .read = read_##NAME, .show = show_##NAME};

static int read_auto(struct span text, uint64_t *ret_value)
{
    int result = value_count(text, ret_value);
    if (!span_is(text, "auto"))
        return result < 0 ? result : *ret_value == 0 ? -EINVAL : 0;
    *ret_value = 0;
    return 0;
}

static void add_auto(struct text *out, uint64_t value)
{
    if (value == 0)
        text_add_literal(out, "auto");
    else
        text_add_uint64(out, value);
}

static int read_boolean(struct span text, uint64_t *ret_value)
{
    bool value;
    int result = value_bool(text, &value);
    if (result == 0)
        *ret_value = value;
    return result;
}

static void add_boolean(struct text *out, uint64_t value)
{
    text_add(out, value ? SPAN("true") : SPAN("false"));
}

NUMBER_TYPE(COUNT, "count", value_count, text_add_uint64, "a whole number")
NUMBER_TYPE(COUNT_OR_AUTO, "count or auto", read_auto, add_auto, "a whole number above 0, or auto")
NUMBER_TYPE(FRACTION, "fraction", value_fraction, value_add_fraction, "a fraction: write 0 to 1, as in 0.25")
NUMBER_TYPE(SIZE, "size", value_size, value_add_size,
            "a size: write bytes, or a number with KiB, MiB or GiB, as in 16MiB")
NUMBER_TYPE(DURATION, "duration", value_duration, value_add_duration,
            "a duration: write a number with ms, s, m or h, as in 30s")

static int read_bool_option(const struct option *option, void *record, struct span text, const char *directory UNUSED,
                            struct text *problem)
{
    uint64_t value;
    if (read_boolean(text, &value) == 0) {
        option_set_number(option, record, value);
        return 0;
    }
    mistake_add_value(problem, text);
    text_add_literal(problem, " is neither true nor false");
    return OPTION_WRONG;
}

static void show_bool(const struct option *option, const void *record, struct text *out)
{
    add_boolean(out, option_number(option, record));
}

const struct option_type option_type_BOOL = {.name = "boolean", .read = read_bool_option, .show = show_bool};

static int read_choice(const struct option *option, void *record, struct span text, const char *directory UNUSED,
                       struct text *problem)
{
    for (const struct option_choice *choice = option->choices; choice->name; choice++)
        if (span_is(text, choice->name)) {
            option_set_number(option, record, choice->value);
            return 0;
        }
    mistake_add_value(problem, text);
    text_add_literal(problem, " is none of ");
    for (const struct option_choice *choice = option->choices; choice->name; choice++)
        text_addf(problem, "%s%s", choice == option->choices ? "" : ", ", choice->name);
    return OPTION_WRONG;
}

static void show_choice(const struct option *option, const void *record, struct text *out)
{
    const struct option_choice *choice = option->choices;
    while (choice->name && choice->value != option_number(option, record))
        choice++;
    text_add(out, span_of(choice->name));
}

const struct option_type option_type_CHOICE = {.name = "choice", .read = read_choice, .show = show_choice};

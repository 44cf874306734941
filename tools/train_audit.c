/* tassello train --audit: what it is asked for, and what it found. */
#include "train.h"

#include <stdlib.h>
#include <string.h>

/* One of the words between commas. */
static bool read_word(const char *word, tas_train_options *options)
{
    static const char step[] = "step:";
    cli_size share;
    if (!strcmp(word, "continue"))
        options->audit_continues = 1;
    else if (!strncmp(word, step, strlen(step)))
        return cli_read_u64(word + strlen(step), 1, UINT32_MAX, &options->audit_step);
    else if (cli_read_size(word, &share) && share.percent > 0)
        options->audit = (float)(share.percent / 100);
    else
        return false;
    return true;
}

void train_audit_read(train_settings *settings)
{
    tas_train_options *options = &settings->train;
    char *list = settings->audit ? strdup(settings->audit) : NULL, *at = list, *word;
    if (!list) return;
    while ((word = strsep(&at, ",")))
        if (!read_word(word, options))
            cli_usage(&train_command,
                      "--audit=%s: expected a share of the time such as 1%%, 'continue' or 'step:N', or several of "
                      "them with commas between",
                      settings->audit);
    free(list);
    if (options->audit > 0 && options->audit_step)
        cli_usage(&train_command, "--audit=%s: expected a share or a step, not both", settings->audit);
    if (!(options->audit > 0) && !options->audit_step) options->audit = 0.01f;
    if (settings->grows)
        cli_usage(&train_command, "--audit and --batch grow: expected only one of them, as a growing "
                                  "batch goes back and forth between steps");
}

void train_audit_repeat(train_session *session)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return;
    train_command_print(session, stream);
    fprintf(stream, " --audit=step:%llu", (unsigned long long)session->result.audit.first.step);
    if (!fclose(stream)) cli_error(&session->cli, "audit: this repeats that step: %s", text);
    free(text);
}

/* What it found --------------------------------------------------------------------------------------------------- */

static double share_of(const tas_train_result *result)
{
    return result->seconds > 0 ? result->audit.seconds / result->seconds : 0;
}

void train_audit_print(const train_session *session)
{
    const tas_train_result *result = &session->result;
    const tas_audit *audit = &result->audit;
    printf("audit        %llu of %llu steps, %llu operations, %llu different; %.1f %% of the time\n",
           (unsigned long long)audit->steps, (unsigned long long)result->steps, (unsigned long long)audit->operations,
           (unsigned long long)audit->different, 100 * share_of(result));
    if (audit->undefined)
        printf("             %llu operands were not compared, as their operation leaves anything in them\n",
               (unsigned long long)audit->undefined);
}

static json_t *describe_difference(const tas_audit_difference *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "step", json_integer((json_int_t)d->step));
    json_object_set_new(o, "tile", d->tile ? json_integer(d->tile) : json_null());
    json_object_set_new(o, "operation", json_string(d->operation));
    json_object_set_new(o, "operand", json_string(d->operand));
    json_object_set_new(o, "tensor", *d->tensor ? cli_json_text(d->tensor) : json_null());
    json_object_set_new(o, "element", json_integer((json_int_t)d->element));
    json_object_set_new(o, "elements", json_integer((json_int_t)d->elements));
    json_object_set_new(o, "different", json_integer((json_int_t)d->different));
    json_object_set_new(o, "bits", cli_json_bits(d->is));
    json_object_set_new(o, "reference_bits", cli_json_bits(d->should));
    if (!d->is_float) return o;
    json_object_set_new(o, "value", cli_json_real((double)cli_float_of(d->is)));
    json_object_set_new(o, "reference_value", cli_json_real((double)cli_float_of(d->should)));
    json_object_set_new(o, "ulp", d->ulp == UINT32_MAX ? json_null() : json_integer(d->ulp));
    return o;
}

json_t *train_audit_describe(const train_session *session)
{
    const tas_audit *audit = &session->result.audit;
    json_t *o = json_object();
    json_object_set_new(o, "steps", json_integer((json_int_t)audit->steps));
    json_object_set_new(o, "operations", json_integer((json_int_t)audit->operations));
    json_object_set_new(o, "different", json_integer((json_int_t)audit->different));
    json_object_set_new(o, "undefined", json_integer((json_int_t)audit->undefined));
    json_object_set_new(o, "seconds", cli_json_real(audit->seconds));
    json_object_set_new(o, "share", cli_json_real(share_of(&session->result)));
    json_object_set_new(o, "first", audit->first.step ? describe_difference(&audit->first) : json_null());
    return o;
}

#include "until.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *until_measure(const until *u) { return !isnan(u->loss) ? "loss" : !isnan(u->accuracy) ? "accuracy" : NULL; }

double until_target(const until *u) { return isnan(u->accuracy) ? u->loss : u->accuracy; }

static bool by_accuracy(const until *u) { return !isnan(u->accuracy); }

static bool is_decided(const until *u) { return u->state == TAS_REACH_DONE || u->state == TAS_REACH_GAVE_BACK; }

static tas_status make_room(until *u)
{
    if (u->looks < u->room) return TAS_OK;
    const int room = u->room ? 2 * u->room : 64;
    until_look *looks = realloc(u->look, (size_t)room * sizeof *looks);
    if (!looks) return TAS_NO_MEMORY;
    u->look = looks;
    tas_reach_point *points = realloc(u->point, (size_t)room * sizeof *points);
    if (!points) return TAS_NO_MEMORY;
    u->point = points;
    u->room = room;
    return TAS_OK;
}

static tas_status look(until *u, tas_model *model, const tas_train_result *result)
{
    tas_score score;
    tas_status status = make_room(u);
    if (!status) status = tas_evaluate(model, u->held, &score);
    if (status) return status;
    if (score.peak_bytes > u->peak_bytes) u->peak_bytes = score.peak_bytes;
    if (score.host_bytes > u->host_bytes) u->host_bytes = score.host_bytes;
    const double value = by_accuracy(u) ? score.accuracy : score.loss;
    u->look[u->looks] = (until_look){result->steps, result->seconds, value};
    u->point[u->looks++] = (tas_reach_point){(double)result->examples, by_accuracy(u) ? -value : value};
    return TAS_OK;
}

/* The examples that are evaluated. */
static tas_status choose_examples(until *u, const tas_data *validation)
{
    u->held = validation;
    u->batch_loss = NAN;
    u->due = 1;
    u->at = -1;
    if (tas_data_count(validation) <= TAS_REACH_EXAMPLES) return TAS_OK;
    const tas_status status = tas_data_head(validation, TAS_REACH_EXAMPLES, &u->head);
    u->held = u->head;
    return status;
}

int until_begin(until *u, cli_state *cli, tas_model *model, const tas_data *validation)
{
    static const tas_train_result none;
    if (!until_measure(u)) return 0;
    tas_status status = choose_examples(u, validation);
    if (!status) status = look(u, model, &none);
    if (status) return cli_failed(cli, status);
    const double value = u->look[0].value;
    if (by_accuracy(u) ? value < u->accuracy : !(value <= u->loss)) return 0;
    cli_error(cli, "--until-%s %g: the untrained network has %.4f already; expected a target that takes training",
              until_measure(u), until_target(u), value);
    return EXIT_USAGE;
}

json_t *until_encode(const until *u)
{
    json_t *looks = json_array();
    if (!until_measure(u)) {
        json_decref(looks);
        return json_null();
    }
    for (int i = 0; i < u->looks; i++)
        json_array_append_new(looks, json_pack("[I, f, o, f]", (json_int_t)u->look[i].step, u->look[i].seconds,
                                               cli_json_exact(u->look[i].value), u->point[i].examples));
    return json_pack("{s:s, s:I, s:o, s:o}", "measure", until_measure(u), "due", (json_int_t)u->due, "batch_loss",
                     cli_json_exact(u->batch_loss), "looks", looks);
}

static bool read_looks(until *u, const json_t *in)
{
    const json_t *looks = json_object_get(in, "looks"), *due = json_object_get(in, "due");
    u->due = (uint64_t)json_integer_value(due);
    if (!cli_json_read_exact(json_object_get(in, "batch_loss"), &u->batch_loss)) return false;
    for (size_t i = 0; i < json_array_size(looks); i++) {
        json_int_t step;
        json_t *value;
        if (make_room(u)) return false;
        until_look *to = &u->look[u->looks];
        tas_reach_point *point = &u->point[u->looks];
        if (json_unpack(json_array_get(looks, i), "[I, F, o, F!]", &step, &to->seconds, &value, &point->examples) ||
            !cli_json_read_exact(value, &to->value))
            return false;
        to->step = (uint64_t)step;
        point->value = by_accuracy(u) ? -to->value : to->value;
        u->looks++;
    }
    return u->looks && u->due;
}

int until_resume(until *u, cli_state *cli, const json_t *in, const tas_data *validation)
{
    const char *measure = until_measure(u), *there = json_string_value(json_object_get(in, "measure"));
    if (!measure) return 0;
    if (!there || strcmp(measure, there) != 0) {
        cli_error(cli, "--until-%s: the run that is resumed is evaluated for %s%s; expected the same", measure,
                  there ? "its " : "no target", there ? there : "");
        return EXIT_USAGE;
    }
    const tas_status status = choose_examples(u, validation);
    if (status) return cli_failed(cli, status);
    if (!read_looks(u, in)) {
        cli_error(cli, "--until-%s: the evaluations of the run that is resumed are damaged", measure);
        return EXIT_FAILED;
    }
    u->state = tas_reach_find(u->point, u->looks, by_accuracy(u) ? -u->accuracy : u->loss, false, &u->at);
    return 0;
}

void until_free(until *u)
{
    tas_data_close(&u->head);
    free(u->look);
    free(u->point);
    u->look = NULL;
    u->point = NULL;
}

void until_step(until *u, const tas_step *step)
{
    const double share = step->batch > 64 ? 0.5 : step->batch / 128.0; /* a mean over about 128 examples at least */
    u->batch_loss = step->step == 1 ? (double)step->loss : u->batch_loss + share * ((double)step->loss - u->batch_loss);
}

uint64_t until_stretch(const until *u, uint64_t step)
{
    if (!until_measure(u) || is_decided(u)) return UINT64_MAX;
    return u->due > step ? u->due - step : 1;
}

tas_status until_evaluate(until *u, tas_model *model, const tas_train_result *result, uint32_t batch, bool over)
{
    if (!until_measure(u) || is_decided(u) || (result->steps < u->due && !over)) return TAS_OK;
    const bool looked = u->look[u->looks - 1].step == result->steps;
    const tas_status status = looked ? TAS_OK : look(u, model, result);
    if (status) return status;
    u->due = result->steps + tas_reach_steps(result->examples, batch, by_accuracy(u) ? NAN : u->batch_loss, u->loss);
    const double target = by_accuracy(u) ? -u->accuracy : u->loss;
    u->state = tas_reach_find(u->point, u->looks, target, over, &u->at);
    return TAS_OK;
}

void until_print_setting(const until *u, FILE *stream)
{
    if (until_measure(u)) fprintf(stream, "  until %s %g", until_measure(u), until_target(u));
}

/* The index of the lowest loss, or of the highest accuracy. */
static int best_of(const until *u)
{
    int best = 0;
    for (int i = 1; i < u->looks; i++)
        if (u->point[i].value < u->point[best].value) best = i;
    return best;
}

void until_print(const until *u, uint64_t steps)
{
    if (!until_measure(u) || !u->looks) return;
    printf("target       %s %g", until_measure(u), until_target(u));
    if (u->state == TAS_REACH_DONE) {
        const until_look *at = &u->look[u->at];
        printf(" reached after step %llu (%.0f examples, %.3g s of training)\n", (unsigned long long)at->step,
               u->point[u->at].examples, at->seconds);
        if (steps > at->step)
            printf("             and kept, on average, until step %llu, where the run was ended\n",
                   (unsigned long long)steps);
        return;
    }
    const int best = best_of(u);
    const bool touched = u->point[best].value <= (by_accuracy(u) ? -u->accuracy : u->loss);
    printf(" not reached%s; the best was %.4f, after step %llu\n",
           u->state == TAS_REACH_GAVE_BACK ? ": touched, and lost again"
           : touched                       ? ": touched, but not kept"
                                           : "",
           u->look[best].value, (unsigned long long)u->look[best].step);
}

static json_t *describe_look(const until *u, int i)
{
    json_t *o = json_object();
    json_object_set_new(o, "step", json_integer((json_int_t)u->look[i].step));
    json_object_set_new(o, "examples", json_integer((json_int_t)u->point[i].examples));
    json_object_set_new(o, "seconds", cli_json_real(u->look[i].seconds));
    json_object_set_new(o, until_measure(u), cli_json_real(u->look[i].value));
    return o;
}

json_t *until_describe(const until *u)
{
    static const char *const states[] = {[TAS_REACH_NOT] = "not reached",
                                         [TAS_REACH_TOUCHED] = "not reached",
                                         [TAS_REACH_DONE] = "reached",
                                         [TAS_REACH_GAVE_BACK] = "given back"};
    json_t *o = json_object(), *looks = json_array();
    for (int i = 0; i < u->looks; i++) json_array_append_new(looks, describe_look(u, i));
    json_object_set_new(o, until_measure(u), cli_json_real(until_target(u)));
    json_object_set_new(o, "evaluated_on", json_integer(u->held ? (json_int_t)tas_data_count(u->held) : 0));
    json_object_set_new(o, "state", json_string(states[u->state]));
    json_object_set_new(o, "reached", u->state == TAS_REACH_DONE ? describe_look(u, u->at) : json_null());
    json_object_set_new(o, "evaluations", looks);
    return o;
}

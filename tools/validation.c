/* Evaluations of the held-out examples. */
#include "validation.h"

#include <stdlib.h>

const char *validation_word(int number)
{
    static const char *const words[] = {[BY_LOSS] = "loss", [BY_ACCURACY] = "accuracy", NULL};
    return words[number];
}

static bool is_better(validation_figure by, const tas_score *a, const tas_score *b)
{
    return by == BY_ACCURACY ? a->accuracy > b->accuracy : a->loss < b->loss;
}

size_t validation_since_best(const validation *v) { return v->count - 1 - v->best; }

tas_status validation_add(validation *v, tas_model *model, const tas_data *data, uint64_t step, double epochs)
{
    validated *more = realloc(v->list, (v->count + 1) * sizeof *more);
    if (!more) return TAS_NO_MEMORY;
    v->list = more;
    more[v->count] = (validated){.step = step, .epochs = epochs};
    const tas_status status = tas_evaluate(model, data, &more[v->count].score);
    if (status) return status;
    if (is_better(v->by, &more[v->count].score, &more[v->best].score)) v->best = v->count;
    v->count++;
    return TAS_OK;
}

void validation_free(validation *v)
{
    free(v->list);
    *v = (validation){0};
}

json_t *validation_encode(const validation *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->count; i++) {
        const validated *one = &v->list[i];
        json_array_append_new(list, json_pack("[I, f, o, o, I, I]", (json_int_t)one->step, one->epochs,
                                              cli_json_exact(one->score.loss), cli_json_exact(one->score.accuracy),
                                              (json_int_t)one->score.examples, (json_int_t)one->score.correct));
    }
    return list;
}

bool validation_decode(validation *v, const json_t *in)
{
    const size_t count = json_array_size(in);
    v->list = calloc(count + 1, sizeof *v->list);
    if (!v->list || !json_is_array(in)) return false;
    for (size_t i = 0; i < count; i++) {
        validated *one = &v->list[i];
        json_int_t step, examples, correct;
        json_t *loss, *accuracy;
        if (json_unpack(json_array_get(in, i), "[I, F, o, o, I, I!]", &step, &one->epochs, &loss, &accuracy, &examples,
                        &correct) ||
            !cli_json_read_exact(loss, &one->score.loss) || !cli_json_read_exact(accuracy, &one->score.accuracy))
            return false;
        one->step = (uint64_t)step;
        one->score.examples = (uint64_t)examples;
        one->score.correct = (uint64_t)correct;
        if (is_better(v->by, &one->score, &v->list[v->best].score)) v->best = i;
    }
    v->count = count;
    return true;
}

void validation_raise_peaks(const validation *v, uint64_t *peak, uint64_t *host)
{
    for (size_t i = 0; i < v->count; i++) {
        const tas_score *score = &v->list[i].score;
        if (score->peak_bytes > *peak) *peak = score->peak_bytes;
        if (score->host_bytes > *host) *host = score->host_bytes;
    }
}

json_t *validation_describe(const validated *one)
{
    json_t *o = json_object();
    json_object_set_new(o, "step", json_integer((json_int_t)one->step));
    json_object_set_new(o, "epochs", cli_json_real(one->epochs));
    json_object_set_new(o, "loss", cli_json_real(one->score.loss));
    json_object_set_new(o, "accuracy", one->score.accuracy >= 0 ? cli_json_real(one->score.accuracy) : json_null());
    return o;
}

json_t *validation_describe_all(const validation *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->count; i++) json_array_append_new(list, validation_describe(&v->list[i]));
    return list;
}

void validation_print(const validation *v)
{
    if (!v->count) return;
    const validated *best = v->list + v->best, *last = v->list + v->count - 1;
    printf("validation   ");
    if (last->score.accuracy >= 0) printf("accuracy %.4f ", last->score.accuracy);
    printf("loss %.4f", last->score.loss);
    if (best != last && v->by == BY_LOSS)
        printf("; the lowest loss was %.4f, after step %llu", best->score.loss, (unsigned long long)best->step);
    if (best != last && v->by == BY_ACCURACY)
        printf("; the highest accuracy was %.4f, after step %llu", best->score.accuracy,
               (unsigned long long)best->step);
    putchar('\n');
}

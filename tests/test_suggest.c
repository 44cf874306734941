/* Suggestions for misspelt words. */
#include <tassello/context.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"train",  "eval",     "sweep",        "plan",   "verify",  "devices", "inspect",
                                    "batch",  "batches",  "lr",           "epochs", "warmup",  "dense",   "conv2d",
                                    "relu",   "max_pool", "avg_pool",     "leaky",  "dropout", "mlp",     "lenet",
                                    "stride", "padding",  "weight-decay", "cnn",    NULL};

static const struct {
    const char *word, *expected;
} cases[] = {
    {"trian", "train"},
    {"Relu", "relu"},
    {"RELU", "relu"},
    {"mpl", "mlp"},
    {"maxpool", "max_pool"},
    {"max-pool", "max_pool"},
    {"MaxPool2d", "max_pool"},
    {"conv", "conv2d"},
    {"leaky_relu", "leaky"},
    {"--batchsize", "batch"},
    {"--batch", "batch"},
    {"batche", "batch"}, /* the first of two that are as near */
    {"--learning-rate", "lr"},
    {"--learningrate", NULL},
    {"epoch", "epochs"},
    {"strid", "stride"},
    {"insepct", "inspect"},
    {"warm-up", "warmup"},
    {"--weigth-decay", "weight-decay"},
    {"vrfy", "verify"},
    {"verfy", "verify"},
    {"transformer", NULL},
    {"xyz", NULL},
    {"e", NULL},
    {"tr", NULL},
    {"", NULL},
    {"--", NULL},
    {"\xff\x80", NULL},
    {"averyveryveryveryveryveryveryveryveryveryveryverylongword", NULL},
};

START_TEST(suggests_the_nearest_word)
{
    const char *found = tas_suggest(cases[_i].word, words);
    ck_assert_msg(found == cases[_i].expected || (found && cases[_i].expected && !strcmp(found, cases[_i].expected)),
                  "'%s': %s, expected %s", cases[_i].word, found ? found : "nothing",
                  cases[_i].expected ? cases[_i].expected : "nothing");
}
END_TEST

START_TEST(suggests_nothing_of_an_empty_list)
{
    static const char *const none[] = {NULL};
    ck_assert_ptr_null(tas_suggest("train", none));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("suggest");
    TCase *group = tcase_create("words");
    tcase_add_loop_test(group, suggests_the_nearest_word, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_test(group, suggests_nothing_of_an_empty_list);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

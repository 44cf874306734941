/* Prints the digests of the canonical trainings on the reference, where the command cannot be built. */
#include <tassello/verify.h>

#include <stdio.h>

int main(void)
{
    const char *const only[] = {"training", NULL};
    tas_context *context = NULL;
    tas_device *device = NULL;
    tas_verify_options options;
    tas_verify_result result = {0};
    tas_verify_options_init(&options);
    options.only = only;
    tas_status status = tas_context_open(&context);
    if (!status) status = tas_device_open(context, "reference", TAS_ARITH_EXACT, &device);
    if (!status) status = tas_verify(device, &options, NULL, NULL, &result);
    for (int i = 0; i < TAS_CANONICAL_TRAININGS; i++) puts(result.digest[i]);
    tas_device_close(&device);
    tas_context_close(&context);
    return status != TAS_OK;
}

/* libFuzzer: any bytes as a JPEG picture. */
#include "fuzz_picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (picture_recognize(input, size) == PICTURE_JPEG) fuzz_picture(input, size);
    return 0;
}

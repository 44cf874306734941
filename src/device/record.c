/* Where records of devices are. */
#include "device/record.h"

#include "base/cache.h"
#include "base/digest.h"
#include "device/opencl/sources.h"

#include <string.h>

static void add_text(digest *d, const char *text) { digest_add_bytes(d, text, strlen(text) + 1); }

static void add_kernels(digest *d)
{
    for (int i = 0; cl_sources[i].name; i++) add_text(d, cl_sources[i].text);
}

/* The file's name is a digest of all that the record depends on. */
bool record_path(const tas_device_info *info, const char *kind, char *path, size_t bytes)
{
    char folder[512], hex[65];
    digest d;
    const char *const texts[] = {info->long_id, info->name,    info->vendor,  info->platform,
                                 info->driver,  info->version, tas_version(), tas_build()};
    const int contract = tas_contract();
    if (!cache_folder(folder, sizeof folder)) return false;
    digest_begin(&d);
    digest_add_values(&d, &contract, sizeof contract, 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) add_text(&d, texts[i]);
    add_kernels(&d);
    digest_end(&d, hex);
    return (size_t)snprintf(path, bytes, "%s/%s-%s", folder, kind, hex) < bytes;
}

void record_digest_kernels(char hex[65])
{
    digest d;
    digest_begin(&d);
    add_kernels(&d);
    digest_end(&d, hex);
}

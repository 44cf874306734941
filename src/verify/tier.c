/* Tiers of devices: a small file per device and driver in the cache, valid for these kernels and this contract. */
#include "verify/tier.h"

#include "base/cache.h"
#include "base/digest.h"
#include "base/file.h"
#include "device/opencl/sources.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file's path; its name is a digest of all that the tier depends on. False if there is no cache. */
static bool find_path(const tas_device_info *info, char *path, size_t bytes)
{
    char folder[512], hex[65];
    digest d;
    const char *const texts[] = {info->long_id, info->name,    info->vendor,  info->platform,
                                 info->driver,  info->version, tas_version(), tas_build()};
    const int contract = tas_contract();
    if (!cache_folder(folder, sizeof folder)) return false;
    digest_begin(&d);
    sha256_update(&d.sha, sizeof contract, (const uint8_t *)&contract);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sha256_update(&d.sha, strlen(texts[i]) + 1, (const uint8_t *)texts[i]);
    for (int i = 0; cl_sources[i].name; i++)
        sha256_update(&d.sha, strlen(cl_sources[i].text) + 1, (const uint8_t *)cl_sources[i].text);
    digest_end(&d, hex);
    return (size_t)snprintf(path, bytes, "%s/tier-%s", folder, hex) < bytes;
}

tas_tier tier_recall(const tas_device_info *info)
{
    char path[640], word[16] = "";
    if (info->type == TAS_TYPE_REFERENCE) return TAS_TIER_EXACT;
    if (!find_path(info, path, sizeof path)) return TAS_TIER_UNTESTED;
    FILE *stream = fopen(path, "r");
    if (!stream) return TAS_TIER_UNTESTED;
    if (fscanf(stream, "%15s", word) != 1) word[0] = 0;
    fclose(stream);
    for (int tier = TAS_TIER_EXACT; tier <= TAS_TIER_REFUSED; tier++)
        if (!strcmp(word, tas_tier_name((tas_tier)tier))) return (tas_tier)tier;
    return TAS_TIER_UNTESTED;
}

void tier_remember(tas_context *context, const tas_device_info *info, tas_tier tier)
{
    char path[640], error[sizeof context->error];
    file_writer writer;
    if (!find_path(info, path, sizeof path)) return;
    memcpy(error, context->error, sizeof error); /* failing to remember is no error, and must not replace one */
    if (!file_begin(context, &writer, path)) {
        fprintf(writer.stream, "%s\n%s\n", tas_tier_name(tier), info->long_id);
        file_commit(context, &writer);
    }
    memcpy(context->error, error, sizeof error);
}

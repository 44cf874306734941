/* What is known of a device and driver by tests, remembered for these kernels and this contract. */
#ifndef TIER_H
#define TIER_H

#include "base/context.h"

#include <tassello/device.h>

enum { TIER_LINE = 320 };

typedef struct tier_record {
    tas_tier tier;
    char refused[TIER_LINE];   /* the operation for which it was refused, if the self-test did so, else "" */
    char (*passed)[TIER_LINE]; /* what passed the self-test: an operation and a kernel each */
    int count;
} tier_record;

tas_tier tier_recall(const tas_device_info *info);
void tier_remember(tas_context *context, const tas_device_info *info, tas_tier tier);

/* The whole record; empty if there is none. Freed with tier_free(). */
void tier_read(const tas_device_info *info, tier_record *out);
void tier_free(tier_record *record);

bool tier_has_passed(const tier_record *record, const char *line);

/* Adds a line, unless it is there; without memory for it, it is not remembered. */
void tier_add_passed(tier_record *record, const char *line);

/* Writes the record; lines that other processes have added since it was read stay. */
void tier_write(tas_context *context, const tas_device_info *info, const tier_record *record);

#endif

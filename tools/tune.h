/* tassello tune: its file of a tuning, as JSON. */
#ifndef TUNE_H
#define TUNE_H

#include "cli.h"

/* The device's tuning: what it was measured with, and a row per class of shapes. */
json_t *tune_describe(const tas_device *device, tas_arith arith);

/* Writes it to a file. False after reporting why not. */
bool tune_export(cli_state *cli, const tas_device *device, tas_arith arith, const char *path);

/* Reads such a file into the device's tuning, if it is of such a device, driver and contract, and the device has all
 * that it names. 0, or the exit status after reporting why not. */
int tune_import(cli_state *cli, tas_device *device, tas_arith arith, const char *path);

#endif

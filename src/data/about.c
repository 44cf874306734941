/* What is known of a data set from files: see about.h. */
#include "data/about.h"

#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

tas_status about_create(tas_context *context, schema *of, data_about **out)
{
    data_about *about = *out = calloc(1, sizeof *about);
    if (!about) {
        schema_free(of);
        return fail(context, TAS_NO_MEMORY, "no memory for the description of a data set");
    }
    about->schema = *of;
    *of = (schema){0};
    about->text = schema_print(&about->schema);
    if (!about->text) return fail(context, TAS_NO_MEMORY, "no memory for the description of a data set");
    return schema_input_names(context, &about->schema, &about->input_names, &about->input_name_count);
}

void about_free(data_about **about)
{
    if (!*about) return;
    schema_free_names(&(*about)->input_names, (*about)->input_name_count);
    schema_free_names(&(*about)->example_names, (*about)->example_name_count);
    schema_free(&(*about)->schema);
    free((*about)->text);
    free(*about);
    *about = NULL;
}

void tas_data_get_info(const tas_data *data, tas_data_info *info)
{
    const tas_data *root = dataset_root(data);
    const tas_data_options *options = &data->options;
    *info = (tas_data_info){.input_type = options->input_type,
                            .target_type = options->target_type,
                            .target_size = options->target_size,
                            .held_out = data->held_out};
    if (!root->about) return;
    const schema *of = &root->about->schema;
    info->format = of->format;
    info->channels = of->channels;
    info->height = of->height;
    info->width = of->width;
    info->class_name = (const char *const *)of->class_names;
    info->input_name = (const char *const *)root->about->input_names;
    info->target_name = (const char *const *)of->target_names;
    if (root == data) info->example_name = (const char *const *)root->about->example_names;
    info->missing = root->about->missing;
    info->dropped = root->about->dropped;
}

const char *tas_data_schema(const tas_data *data)
{
    const tas_data *root = dataset_root(data);
    return root->about ? root->about->text : NULL;
}

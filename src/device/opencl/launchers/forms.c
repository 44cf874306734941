/* The choice of forms. */
#include "device/opencl/launchers/forms.h"

#include "device/opencl/rehearse.h"

void forms_install(tas_device *device, const form_table *table, op_id first, op_id last)
{
    for (int op = first; op <= (int)last; op++) {
        ((opencl_device *)device->cl)->forms[op] = table;
        device->variants[op] = table->count;
    }
}

void forms_name(const tas_device *device, op_id op, int variant, char *name)
{
    snprintf(name, VARIANT_NAME, "%s", ((opencl_device *)device->cl)->forms[op]->row[variant].name);
}

const form *forms_choose(const tas_device *device, const op_args *call, int usual)
{
    const opencl_device *cl = device->cl;
    const form_table *table = cl->forms[call->op];
    const int wanted = device_choose_variant(device, call);
    const bool fits = wanted >= 0 && wanted < table->count && table->fits(device, call, &table->row[wanted]);
    const int chosen = fits ? wanted : usual;
    if (cl->rehearsal) rehearse_choice(cl->rehearsal, chosen);
    return &table->row[chosen];
}

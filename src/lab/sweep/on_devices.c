/* The batch on several devices: see on_devices.h. */
#include "lab/sweep/on_devices.h"

#include "lab/scale/scale.h"

#include <string.h>

/* Beside the gradient of a rank's examples; with as many shards as ranks, at least. */
static tas_status find_more(lab *l, const scaling_volume *volume, double staging, double updating, int i)
{
    tas_sweep *s = l->sweep;
    const uint32_t ranks = 1u << i, given = s->options.train.shards, shards = ranks > given ? ranks : given;
    const scaling_link link = {s->options.link.latency, s->options.link.bandwidth};
    scaling_exchange walked;
    if (!scaling_walk(volume, ranks, shards, &link, NULL, &walked))
        return fail(s->context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", ranks);
    s->more[i] = staging + walked.seconds + updating * walked.slice;
    return TAS_OK;
}

tas_status on_devices_time(lab *l)
{
    tas_sweep *s = l->sweep;
    const tas_train_options *train = &s->options.train;
    double staging, updating;
    if (s->options.ranks < 2) return TAS_OK;
    const scaling_volume volume = scale_volume(l->network, train->optimizer, train->clip > 0);
    tas_status status = scale_time_host(l->device, l->network, train->optimizer, &staging, &updating);
    s->more[0] = 0;
    s->more_count = 1;
    for (int i = 1; 1u << i <= s->options.ranks && !status; i++) {
        status = find_more(l, &volume, staging, updating, i);
        s->more_count = i + 1;
    }
    return status;
}

void on_devices_advise(tas_sweep *s)
{
    const size_t used = strlen(s->reason);
    s->on_devices = s->more_count ? devices_recommend(&s->input, &s->advice, s->more, s->more_count, s->on_device) : 0;
    if (s->on_devices < 2 || used + 2 > sizeof s->reason) return;
    s->reason[used] = ' ';
    devices_write(s->on_device, s->on_devices, s->reason + used + 1, sizeof s->reason - used - 1);
}

int tas_sweep_on_devices(const tas_sweep *sweep, size_t index, tas_sweep_devices *out)
{
    if (index >= (size_t)sweep->on_devices) return 0;
    const devices_row *row = &sweep->on_device[index];
    *out = (tas_sweep_devices){.devices = row->devices,
                               .batch = (uint32_t)row->batch,
                               .knee = row->knee,
                               .seconds = row->seconds,
                               .speedup = row->speedup,
                               .examples = row->examples,
                               .wasted = row->wasted};
    return 1;
}

json_t *on_devices_describe(const tas_sweep *s)
{
    json_t *out = json_array();
    for (int i = 0; i < s->on_devices; i++) {
        const devices_row *row = &s->on_device[i];
        json_t *one = json_object();
        json_object_set_new(one, "devices", json_count(row->devices));
        json_object_set_new(one, "batch", json_count(row->batch));
        json_object_set_new(one, "knee", json_known(row->knee));
        json_object_set_new(one, "added_step_s", json_known(s->more[i]));
        json_object_set_new(one, "seconds", json_known(row->seconds));
        json_object_set_new(one, "speedup", json_known(row->speedup));
        json_object_set_new(one, "times_the_fewest_examples", json_known(row->examples));
        json_object_set_new(one, "wasted", json_boolean(row->wasted));
        json_array_append_new(out, one);
    }
    return out;
}

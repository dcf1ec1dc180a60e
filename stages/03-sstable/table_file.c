#include "table_file.h"

#include "memory.h"
#include "table.h"
#include "table_cache.h"

struct table_file *table_file_open(const struct table_meta *meta) {
    struct table_file *file = memory_take_zeroed(sizeof *file);
    if (file != NULL && table_meta_copy(&file->meta, meta) != STATUS_OK) {
        memory_give(file);
        return NULL;
    }
    if (file != NULL) {
        atomic_u64_store(&file->references, 1, memory_order_relaxed);
    }
    return file;
}

void table_file_ref(struct table_file *file) {
    atomic_u64_add(&file->references, 1, memory_order_relaxed);
}

/* Acquire and release: what any holder did with the file comes before its end. */
void table_file_unref(struct table_file *file) {
    if (file != NULL &&
        atomic_u64_subtract(&file->references, 1, memory_order_acq_rel) == 1) {
        struct table_cache *cache =
            atomic_pointer_load(&file->cache, memory_order_acquire);
        if (cache != NULL) {
            table_cache_forget(cache, file);
        }
        table_unref(atomic_pointer_load(&file->kept, memory_order_acquire));
        table_meta_free(&file->meta);
        memory_give(file);
    }
}

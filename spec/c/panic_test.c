/* A disk that fails to write a head of a file: LMDB gives the environment up, and leadcat opens it again. LMDB is linked in, so
 * that its calls can be made to fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "handle.h"
#include "store/internal.h"
#include "store/store.h"

enum { MIB = 1 << 20, HEADS = 2 * 4096 };

static const lc_text tenant = { "", 0 };
static char directory[] = "/tmp/leadcat_panic_test_XXXXXX";

static int failing; /* how many writes of heads are to fail */

ssize_t __real_pwrite(int file, const void *bytes, size_t size, off_t at);

ssize_t __wrap_pwrite(int file, const void *bytes, size_t size, off_t at) {
  if (failing > 0 && at < HEADS) {
    failing--;
    errno = EIO;
    return -1;
  }
  return __real_pwrite(file, bytes, size, at);
}

static lc_store *open_store(void) {
  lc_store *store = NULL;
  CHECK(lc_store_open(directory, &(lc_store_options){ .map_size = 8 * MIB }, &store, NULL) == LC_OK);
  return store;
}

static lc_status add(lc_store *store, lc_error *error) {
  const lc_counter counter = { tenant, text_of("n"), 1 };
  return lc_store_add(store, &counter, 1, error);
}

static uint64_t count(lc_store *store) {
  uint64_t value = 0;
  lc_text list, item;
  CHECK(lc_store_counters(store, tenant, NULL) == LC_OK);
  list = lc_store_result(store);
  if (CHECK(lc_list_next(&list, &item)))
    memcpy(&value, item.data, sizeof value);
  return value;
}

/* The commit fails; the next one, and other stores of the process with readers of their own, go on. */
static void test_journal(void) {
  lc_error error = { "" };
  lc_store *store = open_store(), *other = open_store();
  CHECK(add(store, NULL) == LC_OK && add(store, NULL) == LC_OK && count(store) == 2 && count(other) == 2);
  failing = 1; /* LMDB writes the old head back then */
  CHECK(add(store, &error) == LC_IO);
  CHECK(failing == 0);
  CHECK(count(other) == 2 && count(store) == 2);
  CHECK(add(other, &error) == LC_OK && count(store) == 3);
  for (int i = 0; i < 20; i++) { /* again and again, without a leak of slots or memory */
    failing = 1;
    CHECK(add(store, NULL) == LC_IO && add(store, NULL) == LC_OK);
  }
  CHECK(count(other) == 23);
  lc_store_stats stats;
  CHECK(lc_store_stat(store, &stats, NULL) == LC_OK && stats.readers[1] <= 2);
  lc_store_close(other);
  CHECK(count(store) == 23);
  lc_store_close(store);
  CHECK(lc_store_check(directory, NULL, NULL, NULL, NULL) == LC_OK);
}

static void test_config(void) {
  lc_store *store = open_store();
  const lc_text text = text_of("{}");
  failing = 1;
  CHECK(lc_store_save(store, tenant, 0, text, text, text, NULL) == LC_IO);
  CHECK(lc_store_config(store, tenant, 0, NULL) == LC_NOT_FOUND);
  CHECK(lc_store_save(store, tenant, 0, text, text, text, NULL) == LC_OK);
  CHECK(lc_store_config(store, tenant, 1, NULL) == LC_OK);
  uint64_t newest = lc_watch_newest(lc_store_watch(store));
  CHECK(lc_store_save(store, tenant, 1, text, text, text, NULL) == LC_OK);
  CHECK(lc_watch_newest(lc_store_watch(store)) == newest + 1); /* the heads are still the file's */
  lc_store_close(store);
}

/* While the file cannot be opened again, nothing can be done; then all goes on. */
static void test_lost_file(void) {
  char from[128], to[128];
  lc_store *store = open_store();
  snprintf(from, sizeof from, "%s/journal.mdb", directory);
  snprintf(to, sizeof to, "%s/away", directory);
  failing = 1;
  CHECK(add(store, NULL) == LC_IO);
  CHECK(rename(from, to) == 0 && mkdir(from, 0700) == 0);
  CHECK(add(store, NULL) != LC_OK && lc_store_counters(store, tenant, NULL) != LC_OK);
  lc_store_stats stats;
  CHECK(lc_store_stat(store, &stats, NULL) != LC_OK);
  CHECK(rmdir(from) == 0 && rename(to, from) == 0);
  CHECK(add(store, NULL) == LC_OK && count(store) == 24);
  lc_store_close(store);
}

int main(void) {
  char command[128];
  alarm(300);
  if (mkdtemp(directory) == NULL)
    return 1;
  TEST(test_journal());
  TEST(test_config());
  TEST(test_lost_file());
  snprintf(command, sizeof command, "rm -rf %s", directory);
  TEST(CHECK(system(command) == 0));
  return report();
}

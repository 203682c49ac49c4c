#include "epoch.h"

#include <stdlib.h>
#include <string.h>

lc_status lc_epochs_add(lc_epochs *epochs, lc_epoch epoch, lc_error *error) {
  lc_epoch *list = realloc(epochs->list, (epochs->count + 1) * sizeof *list);
  if (list == NULL)
    return lc_no_memory(error);
  list[epochs->count++] = epoch;
  epochs->list = list;
  return LC_OK;
}

lc_status lc_epochs_copy(const lc_epochs *epochs, lc_epochs *copy, lc_error *error) {
  size_t size = epochs->count * sizeof *epochs->list;
  copy->list = malloc(size);
  if (copy->list == NULL)
    return lc_no_memory(error);
  memcpy(copy->list, epochs->list, size);
  copy->count = epochs->count;
  return LC_OK;
}

void lc_epochs_free(lc_epochs *epochs) {
  free(epochs->list);
  *epochs = (lc_epochs){ NULL, 0 };
}

size_t lc_epoch_key(const lc_epochs *epochs, uint64_t entry, char key[LC_EPOCH_KEY_SIZE]) {
  size_t i = epochs->count - 1;
  while (i > 0 && entry < epochs->list[i].first)
    i--;
  char digits[20];
  size_t size = 0;
  do
    digits[size++] = (char)('0' + entry % 10);
  while ((entry /= 10) != 0);
  memcpy(key, epochs->list[i].name, LC_EPOCH_SIZE);
  char *at = key + LC_EPOCH_SIZE;
  *at++ = '-';
  while (size > 0)
    *at++ = digits[--size];
  return (size_t)(at - key);
}

#define _GNU_SOURCE
#include "gaps.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "page_format.h"

/* Clears one page; returns how many pages it takes. Values of several pages have no head but the first one's, and no gap. */
static uint64_t clear(unsigned char *bytes, size_t page_size) {
  page_head head;
  memcpy(&head, bytes, sizeof head);
  if ((head.flags & OVERFLOWS) != 0)
    return head.lower | (uint64_t)head.upper << 16;
  if ((head.flags & (BRANCH | LEAF)) != 0 && head.lower >= HEAD && head.lower <= head.upper && head.upper <= page_size)
    memset(bytes + head.lower, 0, head.upper - head.lower);
  return 1;
}

int lc_gaps_clear(int file) {
  struct stat stat;
  meta first;
  if (fstat(file, &stat) != 0)
    return errno;
  size_t size = (size_t)stat.st_size;
  unsigned char *bytes = size > HEAD + sizeof first ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  if (bytes == MAP_FAILED)
    return size > HEAD + sizeof first ? errno : EINVAL;
  memcpy(&first, bytes + HEAD, sizeof first);
  size_t page_size = first.tables[0].pad;
  for (uint64_t page = 2; page_size != 0 && page < size / page_size;) {
    uint64_t taken = clear(bytes + page * page_size, page_size);
    page += taken != 0 ? taken : 1;
  }
  int rc = msync(bytes, size, MS_SYNC) == 0 ? 0 : errno;
  munmap(bytes, size);
  return rc;
}

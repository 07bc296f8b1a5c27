/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "czone_sandbox.h"

static const char* const act_names[] = {
    [CZONE_ACT_MKDIR] = "mkdir",        [CZONE_ACT_MOUNT] = "mount",
    [CZONE_ACT_DEVICE] = "device",      [CZONE_ACT_OWN] = "own",
    [CZONE_ACT_SYMLINK] = "symlink",    [CZONE_ACT_MASK] = "mask",
    [CZONE_ACT_READ_ONLY] = "readOnly", [CZONE_ACT_PIVOT] = "pivot",
    [CZONE_ACT_CHDIR] = "chdir",        [CZONE_ACT_HOSTNAME] = "hostname",
    [CZONE_ACT_ADDRESS] = "address",
};

/* The rest of the body. */
struct rest {
  char* at;
  char* end;
};

static const char* next_text(struct rest* rest) {
  char* text = rest->at;
  char* nul = memchr(text, '\0', (size_t)(rest->end - text));

  if (nul == NULL) return NULL;
  rest->at = nul + 1;
  return text;
}

static int parse_act(const char* text, enum czone_sandbox_act* act) {
  if (text == NULL) return -1;
  for (size_t i = 0; i < sizeof(act_names) / sizeof(act_names[0]); i++) {
    if (strcmp(text, act_names[i]) != 0) continue;
    *act = (enum czone_sandbox_act)i;
    return 0;
  }
  return -1;
}

static int parse_number(const char* text, uint64_t* number) {
  char* end;

  if (text == NULL || !isdigit((unsigned char)text[0])) return -1;
  errno = 0;
  *number = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' ? 0 : -1;
}

static int parse_step(struct rest* rest, struct czone_sandbox_step* step) {
  if (parse_act(next_text(rest), &step->act) < 0) return -1;
  const char** texts[] = {&step->path, &step->source, &step->type, &step->data};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    *texts[i] = next_text(rest);
    if (*texts[i] == NULL) return -1;
  }
  if (parse_number(next_text(rest), &step->number) < 0) return -1;
  return parse_number(next_text(rest), &step->device);
}

int czone_sandbox_parse(struct czone_sandbox_request* request, size_t length) {
  struct {
    char magic[4];
    uint16_t type;
    uint16_t zero;
    uint64_t id;
  } header;
  struct rest rest = {request->bytes + sizeof(header), request->bytes + length};

  if (length < sizeof(header) || length > sizeof(request->bytes)) return -1;
  memcpy(&header, request->bytes, sizeof(header));
  if (memcmp(header.magic, "CZS1", sizeof(header.magic)) != 0 ||
      header.type != CZONE_SANDBOX_MAKE || header.zero != 0)
    return -1;
  request->id = header.id;
  for (request->count = 0; rest.at < rest.end; request->count++) {
    if (request->count == CZONE_SANDBOX_STEPS_MAX) return -1;
    if (parse_step(&rest, &request->steps[request->count]) < 0) return -1;
  }
  return 0;
}

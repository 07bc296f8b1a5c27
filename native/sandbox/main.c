/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "czone_sandbox.h"

enum { CHANNEL_FD = 3 };

int main(void) {
  if (czone_sandbox_serve(CHANNEL_FD) == 0) return 0;
  fprintf(stderr, "czone-sandbox: %s\n", strerror(errno));
  return 1;
}

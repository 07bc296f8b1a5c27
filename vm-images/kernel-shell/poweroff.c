// SPDX-License-Identifier: Apache-2.0
// Switches the VM off. The root file system has no program for that, and the
// release kernel no SysRq.
#include <sys/reboot.h>

int main(void)
{
  return reboot(RB_POWER_OFF) != 0;
}

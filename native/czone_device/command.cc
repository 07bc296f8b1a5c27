// SPDX-License-Identifier: Apache-2.0
#include "czone_device/command.h"

namespace czone {

const char* resultName(Result result) {
  switch (result) {
    case Result::kOk:
      return "OK";
    case Result::kInvalid:
      return "INVALID";
    case Result::kNoEntry:
      return "NOENT";
    case Result::kExists:
      return "EXISTS";
    case Result::kNoMemory:
      return "NOMEM";
    case Result::kBusy:
      return "BUSY";
    case Result::kUnsupported:
      return "UNSUPPORTED";
    case Result::kError:
      return "ERROR";
    case Result::kTimeout:
      return "TIMEOUT";
    case Result::kDisconnected:
      return "DISCONNECTED";
  }
  return "ERROR";
}

const char* commandName(CommandType type) {
  switch (type) {
    case CommandType::kPlug:
      return "PLUG";
    case CommandType::kUnplug:
      return "UNPLUG";
    case CommandType::kReport:
      return "REPORT";
    case CommandType::kList:
      return "LIST";
    case CommandType::kResize:
      return "RESIZE";
  }
  return "a command";
}

}  // namespace czone

// SPDX-License-Identifier: Apache-2.0
#include "test/check.h"

#include <cstdio>
#include <exception>
#include <map>
#include <vector>

namespace czone::test {
namespace {

std::map<std::string, std::function<void()>>& cases() {
  static std::map<std::string, std::function<void()>> all;
  return all;
}

bool run(const std::string& name, const std::function<void()>& body) {
  try {
    body();
    std::printf("ok %s\n", name.c_str());
    return true;
  } catch (const Failure& failure) {
    std::printf("not ok %s: %s\n", name.c_str(), failure.text.c_str());
  } catch (const std::exception& error) {
    std::printf("not ok %s: exception: %s\n", name.c_str(), error.what());
  }
  return false;
}

}  // namespace

Register::Register(const char* name, std::function<void()> body) {
  cases()[name] = std::move(body);
}

void fail(const char* file, int line, const std::string& text) {
  throw Failure{std::string(file) + ":" + std::to_string(line) + ": " + text};
}

}  // namespace czone::test

int main(int argc, char** argv) {
  using czone::test::cases;
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty()) {
    for (const auto& [name, body] : cases()) names.push_back(name);
  }
  int failed = 0;
  for (const std::string& name : names) {
    const auto found = cases().find(name);
    if (found == cases().end()) {
      std::printf("not ok %s: there is no such case\n", name.c_str());
      failed++;
    } else if (!czone::test::run(name, found->second)) {
      failed++;
    }
  }
  return failed == 0 ? 0 : 1;
}

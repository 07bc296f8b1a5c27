// SPDX-License-Identifier: Apache-2.0
// The little that the tests need of a framework: cases by name, and checks that
// end a case with the place and the values.
//
// A test program runs the cases that its arguments name, or all of them.
#pragma once

#include <functional>
#include <sstream>
#include <string>

namespace czone::test {

/** What a failed check throws. */
struct Failure {
  std::string text;
};

struct Register {
  Register(const char* name, std::function<void()> body);
};

[[noreturn]] void fail(const char* file, int line, const std::string& text);

template <typename A, typename B>
void checkEqual(const char* file, int line, const char* text, const A& actual, const B& expected) {
  if (actual == expected) return;
  std::ostringstream out;
  out << text << ": found " << actual << ", wanted " << expected;
  fail(file, line, out.str());
}

}  // namespace czone::test

#define TEST(name)                                                        \
  static void test_##name();                                              \
  static const czone::test::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                 \
  do {                                                                   \
    if (!(condition)) czone::test::fail(__FILE__, __LINE__, #condition); \
  } while (0)

#define CHECK_EQUAL(actual, expected) \
  czone::test::checkEqual(__FILE__, __LINE__, #actual, actual, expected)

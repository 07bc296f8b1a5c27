// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/message.h"

#include <cstring>

#include "test/check.h"

namespace czone::vhost_user {
namespace {

Message withPayload(size_t sizeBytes, uint8_t value = 0) {
  Message message;
  message.payload.assign(sizeBytes, value);
  return message;
}

Message withWord(uint64_t word) {
  Message message = withPayload(sizeof(word));
  std::memcpy(message.payload.data(), &word, sizeof(word));
  return message;
}

}  // namespace

TEST(payloads_of_another_size_give_nothing) {
  for (size_t size = 0; size <= kMaxPayloadBytes; size++) {
    const Message message = withPayload(size);
    CHECK_EQUAL(decodeU64(message).has_value(), size == 8);
    CHECK_EQUAL(decodeVringState(message).has_value(), size == 8);
    CHECK_EQUAL(decodeVringAddr(message).has_value(), size == 40);
    CHECK_EQUAL(decodeRegion(message).has_value(), size == 40);
    CHECK_EQUAL(decodeConfig(message).has_value(), size == 12);
  }
}

TEST(a_vring_descriptor_word_has_to_fit_the_descriptors) {
  Message message = withWord(1);
  CHECK(!decodeVringFd(message));
  message.fds.emplace_back(::dup(0));
  CHECK(decodeVringFd(message));
  CHECK(decodeVringFd(message)->hasFd);
  message.fds.emplace_back(::dup(0));
  CHECK(!decodeVringFd(message));
  CHECK(decodeVringFd(withWord(0x101)));
  CHECK(!decodeVringFd(withWord(0x101))->hasFd);
  CHECK(!decodeVringFd(withWord(0x301)));
}

TEST(a_config_area_lies_in_its_256_bytes) {
  const auto decoded = [](uint32_t offset, uint32_t sizeBytes, size_t behind) {
    Message message = withPayload(12 + behind);
    const ConfigArea area{offset, sizeBytes, 0};
    std::memcpy(message.payload.data(), &area, sizeof(area));
    return decodeConfig(message).has_value();
  };
  CHECK(decoded(0, 32, 32));
  CHECK(decoded(0, 256, 256));
  CHECK(decoded(255, 1, 1));
  CHECK(!decoded(256, 1, 1));
  CHECK(!decoded(0, 257, 257));
  CHECK(!decoded(0, 32, 31));
  CHECK(!decoded(0xffffffff, 2, 2));
  CHECK(!decoded(0, 0xffffffff, 32));
}

TEST(a_memory_table_has_as_many_descriptors_as_regions) {
  const auto decoded = [](uint32_t count, size_t regions, size_t fds) {
    Message message = withPayload(8 + 32 * regions);
    std::memcpy(message.payload.data(), &count, sizeof(count));
    for (size_t i = 0; i < fds; i++) message.fds.emplace_back(::dup(0));
    return decodeMemTable(message).has_value();
  };
  CHECK(decoded(2, 2, 2));
  CHECK(decoded(2, 8, 2));
  CHECK(!decoded(0, 0, 0));
  CHECK(!decoded(2, 1, 2));
  CHECK(!decoded(2, 2, 1));
  CHECK(!decoded(9, 9, 9));
  CHECK(!decoded(0xffffffff, 2, 2));
  CHECK(!decodeMemTable(withPayload(7)));
}

}  // namespace czone::vhost_user

#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "soret/store/result_file.hpp"

namespace soret::test {

/// Bit for bit: NaN equals NaN and -0 does not equal 0.
inline void expect_same(const store::Dataset& a, const store::Dataset& b) {
  ASSERT_EQ(a.dimensions.size(), b.dimensions.size());
  for (std::size_t i = 0; i < a.dimensions.size(); ++i) {
    EXPECT_EQ(a.dimensions[i].name, b.dimensions[i].name);
    EXPECT_EQ(a.dimensions[i].size, b.dimensions[i].size);
  }
  EXPECT_EQ(a.attributes, b.attributes);
  ASSERT_EQ(a.variables.size(), b.variables.size());
  for (const store::Variable& left : a.variables) {
    const store::Variable& right = b.at(left.name);
    EXPECT_EQ(left.dimensions, right.dimensions) << left.name;
    EXPECT_EQ(left.attributes, right.attributes) << left.name;
    ASSERT_EQ(left.data.index(), right.data.index()) << left.name;
    if (const auto* reals = std::get_if<std::vector<double>>(&left.data)) {
      ASSERT_EQ(reals->size(), right.reals().size()) << left.name;
      EXPECT_EQ(std::memcmp(reals->data(), right.reals().data(), reals->size() * sizeof(double)), 0)
          << left.name;
    } else {
      EXPECT_EQ(left.data, right.data) << left.name;
    }
  }
}

/// All of two result files but the attributes that say when, where and how fast they were made.
inline void expect_same_data(const std::filesystem::path& left, const std::filesystem::path& right) {
  store::Dataset a = store::read(left);
  store::Dataset b = store::read(right);
  for (const char* name : {"created", "wall_seconds", "threads", "device"}) {
    a.attributes.erase(name);
    b.attributes.erase(name);
  }
  expect_same(a, b);
}

}  // namespace soret::test

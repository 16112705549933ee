#include "soret/network/model_labels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "soret/base/error.hpp"

namespace soret::network {
namespace {

constexpr int kSamples = 40000;

// n = 40000 labels of three samples' outputs each; the share of a label is p with variance p (1 - p) / n.
TEST(ModelLabelsStatistics, HaveTheProbabilitiesOfTheModel) {
  const std::vector<double> z = {0.3, -1.2, 2.0, 0.0, 1.1};
  double total = 0;
  for (const double v : z) total += std::exp(v);
  std::vector<double> all;
  for (int i = 0; i < kSamples; ++i) all.insert(all.end(), z.begin(), z.end());
  std::vector<std::int32_t> labels(kSamples);
  draw_labels<double>(HeadKind::softmax, kSamples, 5, all.data(), 7, 2, 1000, labels.data(), nullptr);
  for (int k = 0; k < 5; ++k) {
    const double p = std::exp(z[k]) / total;
    const double share = static_cast<double>(std::count(labels.begin(), labels.end(), k)) / kSamples;
    EXPECT_NEAR(share, p, 5 * std::sqrt(p * (1 - p) / kSamples)) << k;
  }
  const std::vector<float> margin(kSamples, -0.7F);
  draw_labels<float>(HeadKind::logistic, kSamples, 1, margin.data(), 7, 2, 0, labels.data(), nullptr);
  const double p = 1 / (1 + std::exp(0.7));
  EXPECT_NEAR(static_cast<double>(std::count(labels.begin(), labels.end(), 1)) / kSamples, p,
              5 * std::sqrt(p * (1 - p) / kSamples));
}

// n = 40000 x 5 normals: mean 0 with variance 1/n, mean square 1 with variance 2/n.
TEST(ModelLabelsStatistics, OfSquaredErrorAreGaussian) {
  constexpr int kTotal = 5 * kSamples;
  const std::vector<double> z(kTotal, 3.0);
  std::vector<double> values(kTotal);
  draw_labels<double>(HeadKind::squared, kSamples, 5, z.data(), 3, 0, 0, nullptr, values.data());
  double mean = 0;
  double square = 0;
  for (const double v : values) {
    mean += (v - 3) / kTotal;
    square += (v - 3) * (v - 3) / kTotal;
  }
  EXPECT_NEAR(mean, 0, 5 / std::sqrt(kTotal));
  EXPECT_NEAR(square, 1, 5 * std::sqrt(2.0 / kTotal));
}

// A sample's label is that of its number, whoever draws it, and another for another draw.
TEST(ModelLabels, AreFunctionsOfTheSample) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::squared}) {
    const std::vector<double> z(7 * 5, 0.0);
    std::vector<std::int32_t> labels(7);
    std::vector<std::int32_t> one(1);
    std::vector<double> values(z.size());
    std::vector<double> values_of_one(5);
    draw_labels(head, 7, 5, z.data(), 1, 4, 100, labels.data(), values.data());
    draw_labels(head, 1, 5, z.data(), 1, 4, 103, one.data(), values_of_one.data());
    if (head == HeadKind::softmax) {
      EXPECT_EQ(one[0], labels[3]);
    } else {
      EXPECT_TRUE(std::equal(values_of_one.begin(), values_of_one.end(), values.begin() + 15));
    }
    const auto before = std::pair(labels, values);
    draw_labels(head, 7, 5, z.data(), 1, 5, 100, labels.data(), values.data());
    EXPECT_NE(std::pair(labels, values), before);
  }
  // A certain label stays certain where the others' exponentials underflow.
  const std::vector<double> sure = {-2000, 1000, -1500};
  std::int32_t label = -1;
  draw_labels<double>(HeadKind::softmax, 1, 3, sure.data(), 1, 0, 0, &label, nullptr);
  EXPECT_EQ(label, 1);
  EXPECT_THROW(draw_labels<double>(HeadKind::linear, 1, 3, sure.data(), 1, 0, 0, &label, nullptr),
               ConfigError);
}

}  // namespace
}  // namespace soret::network

#include "soret/data/loader.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>

#include "images.hpp"

namespace soret::data {
namespace {

using testing::HasSubstr;

constexpr Augmentation kAugmentation{.padding = 2, .flip = true};
constexpr std::uint64_t kSeed = 3;

/// Update u takes 1 + u % 3 samples.
struct Plan {
  std::vector<std::uint32_t> samples;
  Selection operator()(std::int64_t update) {
    samples.clear();
    for (std::int64_t k = 0; k <= update % 3; ++k)
      samples.push_back(static_cast<std::uint32_t>((7 * update + k) % 29));
    return {samples, static_cast<std::uint64_t>(3 * update)};
  }
};

void pause(int microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

void expect_batch(const Dataset& images, std::int64_t update, const Batch<float>& batch) {
  Plan plan;
  const auto [samples, first_sample] = plan(update);
  Batch<float> expected;
  assemble(images, samples, kAugmentation, kSeed, first_sample, expected);
  EXPECT_EQ(batch.x, expected.x) << update;
  EXPECT_EQ(batch.labels, expected.labels) << update;
}

TEST(LoaderTest, GivesTheSameBatchesWhateverTheTiming) {
  const Dataset images = noisy_images(29, 3, 5, 6);
  for (const std::size_t ahead : {1U, 2U, 5U}) {
    for (const int slow_step : {0, 300}) {
      for (const int slow_select : {0, 300}) {
        Plan plan;
        Loader<float> loader(
            images,
            [&](std::int64_t update) {
              pause(slow_select);
              return plan(update);
            },
            11, kAugmentation, kSeed, ahead);
        for (std::int64_t update = 11; update < 51; ++update) {
          const Batch<float>& batch = loader.next();
          pause(slow_step);
          expect_batch(images, update, batch);
        }
      }
    }
  }
}

TEST(LoaderTest, KeepsAtMostSoManyBatchesReady) {
  const Dataset images = noisy_images(29, 1, 5, 6);
  std::atomic<std::int64_t> selected = 0;
  Plan plan;
  Loader<double> loader(
      images,
      [&](std::int64_t update) {
        selected = update + 1;
        return plan(update);
      },
      0, {}, kSeed, 3);
  std::set<const std::int32_t*> places;
  for (std::int64_t taken = 1; taken <= 20; ++taken) {
    places.insert(loader.next().labels.data());
    pause(200);
    EXPECT_LE(selected, taken + 3);
  }
  pause(20000);
  EXPECT_EQ(selected, 23);
  // Four slots, each of which may have grown from one sample to two and to three.
  EXPECT_LE(places.size(), 12U);
}

TEST(LoaderTest, AnExceptionComesInItsTurnAndStays) {
  const Dataset images = noisy_images(29, 1, 5, 6);
  Plan plan;
  Loader<float> loader(
      images,
      [&](std::int64_t update) {
        if (update == 3) throw std::runtime_error("no update 3");
        return plan(update);
      },
      0, kAugmentation, kSeed);
  pause(5000);
  for (std::int64_t update = 0; update < 3; ++update) expect_batch(images, update, loader.next());
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_THAT(message_of<std::runtime_error>([&] { loader.next(); }), HasSubstr("no update 3"));
  }
}

TEST(LoaderTest, AnIndexOutOfRangeIsReported) {
  const Dataset images = noisy_images(3, 1, 5, 6);
  const std::vector<std::uint32_t> samples = {0, 5};
  Loader<float> loader(
      images,
      [&](std::int64_t) {
        return Selection{samples, 0};
      },
      0, {}, kSeed);
  EXPECT_THAT(message_of<ConfigError>([&] { loader.next(); }), HasSubstr("sample 5"));
}

TEST(LoaderTest, EndsInAnyState) {
  const Dataset images = noisy_images(29, 1, 5, 6);
  for (int round = 0; round < 50; ++round) {
    Plan plan;
    Loader<float> loader(
        images,
        [&](std::int64_t update) {
          pause(10 * (round % 5));
          if (round % 3 == 0 && update == 2) throw std::runtime_error("failed");
          return plan(update);
        },
        0, kAugmentation, kSeed);
    if (round % 2 == 0) loader.next();
    pause(round * 10);
  }
}

TEST(LoaderTest, NeedsRoom) {
  const Dataset images = noisy_images(3, 1, 5, 6);
  EXPECT_THROW(Loader<float>(images, Plan{}, 0, {}, kSeed, 0), ConfigError);
}

}  // namespace
}  // namespace soret::data

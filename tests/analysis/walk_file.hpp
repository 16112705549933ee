#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soret/store/result_file.hpp"

/// Small result files in memory, as `soret run` writes them, with numbers that can be checked by hand.
namespace soret::analysis::synthetic {

/// 2 learning rates x 2 fields, records at steps 0 and 10, 3 positions, 2 laws. Cell k of `density` holds k +
/// 1 with an error of 1/2; the law `right` says the same, `wrong` says 1 more. 5 trajectories in 5 blocks.
/// `escape_time` is 10 per learning rate number, with its error and a law without a name of its own.
inline store::Dataset walk_file() {
  const std::vector<std::string> scan{"learning_rate", "field"};
  const auto over = [&](std::vector<std::string> further) {
    auto all = scan;
    all.insert(all.end(), further.begin(), further.end());
    return all;
  };
  const auto about = [](const std::string& name, store::Attributes more = {}) {
    more["units"] = std::string("1");
    more["long_name"] = name;
    return more;
  };
  constexpr std::size_t kPoints = 4, kSteps = 2, kPositions = 3;
  std::vector<double> density, error, laws, block;
  for (std::size_t k = 0; k < kPoints * kSteps * kPositions; ++k) {
    density.push_back(static_cast<double>(k + 1));
    error.push_back(0.5);
  }
  for (std::size_t row = 0; row < kPoints * kSteps; ++row)
    for (int law = 0; law < 2; ++law)
      for (std::size_t i = 0; i < kPositions; ++i) laws.push_back(density[row * kPositions + i] + law);
  for (std::size_t p = 0; p < kPoints; ++p)
    for (int b = 0; b < 5; ++b)
      for (std::size_t i = 0; i < kSteps * kPositions; ++i)
        block.push_back(density[p * kSteps * kPositions + i]);

  store::Dataset file;
  file.attributes = {
      {"simulation", std::string("random_walk")},
      {"config", std::string("simulation = random_walk\n[walk]\nlearning_rate = 0.1 0.2\nfield = "
                             "linear bump\nsteps = 10\n[data]\nsamples = 8\n[start]\nsteps = 3\n")}};
  file.dimensions = {{"learning_rate", 2}, {"field", 2},    {"block", 5},
                     {"step", 2},          {"position", 3}, {"law", 2}};
  file.variables = {
      {"learning_rate",
       {"learning_rate"},
       std::vector<double>{0.1, 0.2},
       about("eta", {{"key", std::string("walk.learning_rate")}})},
      {"field",
       {"field"},
       std::vector<std::string>{"linear", "bump"},
       about("field", {{"key", std::string("walk.field")}})},
      {"block", {"block"}, std::vector<std::int64_t>{0, 1, 2, 3, 4}, about("block")},
      {"step", {"step"}, std::vector<std::int64_t>{0, 10}, about("step")},
      {"position", {"position"}, std::vector<double>{0.25, 0.5, 0.75}, about("place in the domain")},
      {"law", {"law"}, std::vector<std::string>{"right", "wrong"}, about("law")},
      {"density", over({"step", "position"}), density, about("density: of walkers")},
      {"density_stderr", over({"step", "position"}), error, about("error")},
      {"density_block", over({"block", "step", "position"}), block, about("blocks")},
      {"density_by_law", over({"step", "law", "position"}), laws,
       about("prediction", {{"predicts", std::string("density")}})},
      {"escape_time", over({}), std::vector<double>{10, 10, 20, 20}, about("escape time")},
      {"escape_time_stderr", over({}), std::vector<double>{1, 1, 1, 1}, about("error")},
      {"escape_time_predicted", over({}), std::vector<double>{12, 10, 20, 20},
       about("Kramers", {{"predicts", std::string("escape_time")}})},
      {"temperature", over({}), std::vector<double>{1, 1, 4, 4}, about("temperature")},
      {"block_trajectories", over({"block"}), std::vector<std::int64_t>(kPoints * 5, 1), about("n")},
      {"diverged", over({}), std::vector<std::int64_t>(kPoints, 0), about("diverged")},
      {"finished", over({}), std::vector<std::int64_t>(kPoints, 1), about("finished")},
  };
  return file;
}

}  // namespace soret::analysis::synthetic

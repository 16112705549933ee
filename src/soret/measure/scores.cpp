#include "soret/measure/scores.hpp"

#include "soret/base/error.hpp"
#include "soret/measure/workers.hpp"

namespace soret::measure {
namespace {

template <class T>
struct Worker {
  Worker(const network::Network<T>& network, int capacity)
      : pass(network, capacity), statistics(network.state_count()) {}
  network::Pass<T> pass;
  std::vector<double> statistics;  ///< of the chunk, summed over its samples
  double loss = 0;
  int correct = 0;
};

}  // namespace

template <class T>
Scores scores(const LossAt<T>& loss) {
  require_complete(loss);
  if (!loss.targets.labels) throw ConfigError("an accuracy needs labels, and there are none");
  const int outputs = static_cast<int>(loss.network.output().size());
  Workers<Worker<T>> workers;
  workers.provide();
  double sum = 0;
  std::int64_t correct = 0;
  network::for_each_chunk(
      loss.samples, loss.chunk,
      [&](const network::Chunk& chunk) {
        Worker<T>& mine = workers.mine(loss.network, capacity(loss));
        const network::Targets<T> targets = targets_from(loss, chunk.first);
        const T* const z = loss.network.forward(mine.pass, chunk.count, inputs_from(loss, chunk.first),
                                                loss.parameters.data(), loss.state.data(), mode_of(loss));
        mine.loss =
            network::evaluate(loss.head, chunk.count, outputs, z, targets, 1.0, static_cast<T*>(nullptr));
        mine.correct = network::correct(loss.head, chunk.count, outputs, z, targets.labels);
      },
      [&](const network::Chunk&) {
        const Worker<T>& mine = workers.mine(loss.network, capacity(loss));
        sum += mine.loss;
        correct += mine.correct;
      });
  return {sum / loss.samples, static_cast<double>(correct) / loss.samples};
}

template <class T>
std::vector<T> estimated_statistics(const LossAt<T>& loss) {
  require_complete(loss);
  Workers<Worker<T>> workers;
  workers.provide();
  std::vector<double> sums(loss.network.state_count());
  if (sums.empty()) return {};
  network::for_each_chunk(
      loss.samples, loss.chunk,
      [&](const network::Chunk& chunk) {
        Worker<T>& mine = workers.mine(loss.network, capacity(loss));
        loss.network.forward(mine.pass, chunk.count, inputs_from(loss, chunk.first), loss.parameters.data(),
                             loss.state.data(), {.batch_statistics = true, .dropout = false});
        std::ranges::fill(mine.statistics, 0.0);
        loss.network.add_statistics(mine.pass, mine.statistics.data());
      },
      [&](const network::Chunk&) {
        const auto& part = workers.mine(loss.network, capacity(loss)).statistics;
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part[i];
      });
  std::vector<T> state;
  for (const double s : sums) state.push_back(static_cast<T>(s / loss.samples));
  return state;
}

#define SORET_INSTANTIATE(T)                   \
  template Scores scores<T>(const LossAt<T>&); \
  template std::vector<T> estimated_statistics<T>(const LossAt<T>&);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::measure

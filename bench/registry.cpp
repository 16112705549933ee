#include <vector>

#include "bench/bench.hpp"
#include "bench/deep_ensemble_bench.hpp"
#include "bench/langevin_bench.hpp"
#include "bench/network_bench.hpp"
#include "bench/optimal_batch_bench.hpp"
#include "bench/pipeline_bench.hpp"
#include "bench/random_walk_bench.hpp"
#include "bench/sharpness_bench.hpp"
#include "bench/two_layer_bench.hpp"

namespace soret::bench {

std::span<const Bench> benches() {
  static const std::vector<Bench> all{
      {"two_layer", "ensembles of two-layer networks on the CPU, against the FMA peak and a plain loop",
       two_layer},
      {"deep_ensemble",
       "ensembles of deep networks on the CPU, against the FMA peak, the cache and a plain loop",
       deep_ensemble},
      {"optimal_batch", "small dense networks on a fixed set at several batch sizes, against the FMA peak",
       optimal_batch},
      {"langevin", "Langevin walkers on the CPU, against a plain loop and the rate of normals", langevin},
      {"random_walk", "random walks on the CPU, against the FMA peak and a plain loop", random_walk},
      {"network", "gradients and Hessian-vector products of whole networks, against the FMA peak", network},
      {"pipeline", "penalised gradients of ResNet-18, their memory, and loading augmented images", pipeline},
      {"sharpness", "Hessian-vector products over a data set and leading eigenvalues of whole networks",
       sharpness},
      {"langevin_cuda", "the same walkers on the GPU, against what its instructions allow", langevin_cuda},
      {"random_walk_cuda", "the same walks on the GPU, against its FP64 peak", random_walk_cuda},
      {"two_layer_cuda", "the same ensembles on the GPU, against its FP32 peak", two_layer_cuda},
      {"deep_ensemble_cuda", "the same deep ensembles on the GPU, against its FP32 peak", deep_ensemble_cuda},
  };
  return all;
}

}  // namespace soret::bench

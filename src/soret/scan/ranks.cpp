#include "soret/scan/ranks.hpp"

#if defined(SORET_HAVE_MPI)
#define OMPI_SKIP_MPICXX 1  // the C interface only
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <array>
#include <cstdlib>
#endif

namespace soret {

#if defined(SORET_HAVE_MPI)

namespace {

/// MPI is started only by a launcher: on its own it would cost every command a tenth of a second.
bool under_a_launcher() {
  constexpr std::array<const char*, 3> kSetByLaunchers = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  for (const char* name : kSetByLaunchers)
    if (std::getenv(name) != nullptr) return true;
  return false;
}

}  // namespace

Ranks::Ranks() {
  if (!under_a_launcher()) return;
  MPI_Init(nullptr, nullptr);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

Ranks::~Ranks() {
  int started = 0;
  MPI_Initialized(&started);
  if (started != 0) MPI_Finalize();
}

bool Ranks::all(bool ok) const {
  if (size_ == 1) return ok;
  int mine = ok ? 1 : 0;
  int everybody = 0;
  MPI_Allreduce(&mine, &everybody, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return everybody == 1;
}

std::int64_t Ranks::sum(std::int64_t value) const {
  std::int64_t total = value;
  if (size_ > 1) MPI_Allreduce(&value, &total, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  return total;
}

#else

Ranks::Ranks() = default;
Ranks::~Ranks() = default;
bool Ranks::all(bool ok) const {
  return ok;
}
std::int64_t Ranks::sum(std::int64_t value) const {
  return value;
}

#endif

}  // namespace soret

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soret/base/formula_tree.hpp"

/// Formulas of the user in CUDA kernels. A kernel module is compiled with Soret to an intermediate form
/// (LTO-IR, see soret_formula_kernels() of cmake/SoretFormulaKernels.cmake) in which the function
///   extern "C" __device__ void soret_formulas(const double* x, double* values);
/// is missing. At run time NVRTC compiles the formulas to that function, values[i] = formula i of the
/// variables x, and nvJitLink makes machine code of both, the formulas inlined into the kernels. Neither
/// needs a device; both are loaded when they are first asked for, so that everything else runs without them.
namespace soret {

/// CUDA C++ that defines soret_formulas.
std::string formula_cuda_source(std::span<const FormulaTree> formulas);

/// Machine code for compute capability `architecture` (90 for 9.0) of one extern "C" kernel of a module and
/// of the formulas that it calls. Throws RunError where NVRTC or nvJitLink is missing or fails.
std::vector<char> link_formulas(std::span<const unsigned char> kernels, const std::string& kernel,
                                std::span<const FormulaTree> formulas, int architecture);

/// Whether NVRTC and nvJitLink can be loaded; why not otherwise, in words. Empty: they are there.
std::string missing_formula_compiler();

}  // namespace soret

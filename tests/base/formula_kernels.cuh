/// A kernel with formulas in it, for formula_cuda_test.cpp.
extern "C" __device__ void soret_formulas(const double* x, double* values);

/// values[place][2] of x[place][2].
extern "C" __global__ void evaluate_formulas(const double* x, int places, double* values) {
  const int k = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (k < places) soret_formulas(x + 2 * k, values + 2 * k);
}

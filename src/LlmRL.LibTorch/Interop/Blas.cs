using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>The matrix product of the BLAS library that libtorch itself uses, without a tensor in between.</summary>
public static unsafe class Blas
{
    private const int RowMajor = 101;
    private const int NoTranspose = 111;
    private const int Transpose = 112;

    private static readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> s_sgemm = Find();

    /// <summary>Whether the call goes straight to BLAS; else it goes through libtorch, which is slower for small products.</summary>
    public static bool IsDirect => s_sgemm != null;

    /// <summary>C ← α·op(A)·op(B) + β·C, all row-major; op(A) is m×k, op(B) k×n, C m×n; lda, ldb, ldc are the row lengths as stored.</summary>
    public static void Sgemm(
        bool transA, bool transB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc)
    {
        if (s_sgemm != null)
        {
            s_sgemm(RowMajor, transA ? Transpose : NoTranspose, transB ? Transpose : NoTranspose, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
            return;
        }
        ThroughLibtorch(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }

    internal static void ThroughLibtorch(
        bool transA, bool transB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc)
    {
        using var noGrad = no_grad();
        using Tensor left = NativeTorch.FromPointer(a, [m, k], ScalarType.Float32, null, transA ? [1, lda] : [lda, 1]);
        using Tensor right = NativeTorch.FromPointer(b, [k, n], ScalarType.Float32, null, transB ? [1, ldb] : [ldb, 1]);
        using Tensor target = NativeTorch.FromPointer(c, [m, n], ScalarType.Float32, null, [ldc, 1]);
        Aten.AddmmInPlace.Run(target, left, right, (double)beta, (double)alpha);
    }

    private static delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> Find()
    {
        Startup.Prepare();
        // libtorch must be in first: its libblas is the one to share.
        _ = NativeTorch.Version;
        nint library = Startup.BlasLibrary;
        if (library == 0 && !NativeLibrary.TryLoad("libblas.so.3", out library)) return null;
        return NativeLibrary.TryGetExport(library, "cblas_sgemm", out nint address)
            ? (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)address
            : null;
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// Rotary position embedding in place: the pair (i, i + R/2) of every head turns by the angles of a table (see <see cref="Rope"/>); features from R on stay. A
/// rotation's gradient is the rotation back.
/// </summary>
internal static unsafe class RotaryRows
{
    /// <summary>Turns the first heads of each row.</summary>
    /// <param name="x">Rows of <paramref name="stride"/> floats.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="stride">Floats from one row to the next.</param>
    /// <param name="heads">How many heads of each row turn.</param>
    /// <param name="headDim">E.</param>
    /// <param name="turning">R: features of a head that turn.</param>
    /// <param name="angles">Row of the table that each row turns by.</param>
    /// <param name="cos">(table rows, R), of which the first half of a row is read.</param>
    /// <param name="sin">Likewise.</param>
    /// <param name="back">Turns the other way.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(float* x, int rows, int stride, int heads, int headDim, int turning, long* angles, float* cos, float* sin, bool back)
    {
        var half = turning / 2;
        var sign = Vector512.Create(back ? -1f : 1f);
        for (var row = 0; row < rows; row++, x += stride)
        {
            float* c = cos + angles[row] * turning, s = sin + angles[row] * turning;
            for (var i = 0; i < half; i += Lanes.Width)
            {
                var count = half - i;
                Vector512<float> cosine = Lanes.Load(c + i, count), sine = Lanes.Load(s + i, count) * sign;
                var head = x + i;
                for (var h = 0; h < heads; h++, head += headDim)
                {
                    Vector512<float> a = Lanes.Load(head, count), b = Lanes.Load(head + half, count);
                    Lanes.Store(Vector512.FusedMultiplyAdd(a, cosine, -(b * sine)), head, count);
                    Lanes.Store(Vector512.FusedMultiplyAdd(b, cosine, a * sine), head + half, count);
                }
            }
        }
    }
}

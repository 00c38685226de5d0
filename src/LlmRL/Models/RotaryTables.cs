using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>Cosines and sines of a batch's rotary angles, times the attention factor.</summary>
/// <param name="Cos">(rows, R), each of the R/2 angles twice, so that both halves of a head find theirs.</param>
/// <param name="Sin">Likewise.</param>
/// <param name="Rows">The row of each token, (N), int64.</param>
internal readonly record struct RotaryAngles(Tensor Cos, Tensor Sin, Tensor Rows);

/// <summary>
/// Tables of rotary angles by position, made as long as the longest sequence so far asks for. Where dynamic scaling gives every long sequence frequencies of its own, a
/// table by token is made for the batch.
/// </summary>
internal sealed class RotaryTables(ModelConfig config, Device device) : IDisposable
{
    private const int Shortest = 256;
    private Tensor? cos, sin;
    private int positions;

    /// <summary>The angles of a batch; what is made for it alone belongs to the current dispose scope.</summary>
    public RotaryAngles For(TokenBatch batch)
    {
        if (config.RopeScaling?.Kind == RopeScalingKind.Dynamic && batch.MaxLength > config.MaxPositions)
            return ByToken(batch);
        var table = UpTo(batch.MaxLength);
        return new RotaryAngles(table.Cos, table.Sin, batch.Positions);
    }

    /// <summary>The tables of at least so many positions, (positions, R) each; they belong to this object and may be replaced when a longer one is asked for.</summary>
    public (Tensor Cos, Tensor Sin) UpTo(int length)
    {
        if (cos is null || sin is null || length > positions)
        {
            Dispose();
            using var scope = NewDisposeScope();
            positions = Math.Max(Shortest, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)length));
            var table = new Table(config, positions);
            table.Add(Rope.Frequencies(config, 0), positions);
            (cos, sin) = table.ToTensors(device);
            cos.DetachFromDisposeScope();
            sin.DetachFromDisposeScope();
        }

        return (cos, sin);
    }

    public void Dispose()
    {
        cos?.Dispose();
        sin?.Dispose();
    }

    private RotaryAngles ByToken(TokenBatch batch)
    {
        using var scope = NewDisposeScope();
        var table = new Table(config, batch.Count);
        foreach (var sequence in batch.Sequences)
            table.Add(Rope.Frequencies(config, sequence.Length), sequence.Length);
        var (ownCos, ownSin) = table.ToTensors(device);
        var rows = tensor(Enumerable.Range(0, batch.Count).Select(row => (long)row).ToArray());
        return new RotaryAngles(ownCos.MoveToOuterDisposeScope(), ownSin.MoveToOuterDisposeScope(), rows.to(device).MoveToOuterDisposeScope());
    }

    private sealed class Table(ModelConfig config, int rows)
    {
        private readonly float[] cos = new float[rows * config.RotaryDim], sin = new float[rows * config.RotaryDim];
        private int filled;

        /// <summary>Positions 0, 1, … of one set of frequencies.</summary>
        public void Add(double[] frequencies, int count)
        {
            var (half, factor) = (frequencies.Length, Rope.AttentionFactor(config));
            for (var p = 0; p < count; p++, filled += 2 * half)
            {
                for (var i = 0; i < half; i++)
                {
                    var (s, c) = Math.SinCos(p * frequencies[i]);
                    cos[filled + i] = cos[filled + half + i] = (float)(factor * c);
                    sin[filled + i] = sin[filled + half + i] = (float)(factor * s);
                }
            }
        }

        public (Tensor Cos, Tensor Sin) ToTensors(Device device) =>
            (tensor(cos, [rows, config.RotaryDim]).to(device), tensor(sin, [rows, config.RotaryDim]).to(device));
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// Rows of a <see cref="TokenBatch"/> whose final hidden states are read, in any order and any number of times: those before a completion's tokens, or a sequence's last.
/// Of the others the uppermost layer needs to give keys and values alone.
/// </summary>
public sealed class RowSelection : IDisposable
{
    // Gathering and spreading rows costs as much as a twentieth of the layer, and some memory.
    private const double LargestShare = 0.75;

    private readonly Tensor? places;

    /// <summary>Selects rows.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="rows">R rows of it, by <see cref="TokenBatch.Row"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A row is not in the batch.</exception>
    public RowSelection(TokenBatch batch, IReadOnlyList<long> rows)
    {
        foreach (var row in rows)
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)row, (ulong)batch.Count, nameof(rows));
        Rows = TokenBatch.OnDevice([.. rows], batch.Ids.device);
        int[] distinct = [.. rows.Distinct().Order().Select(row => (int)row)];
        // Operators, as on other devices, go through all rows.
        if (distinct.Length == 0 || distinct.Length > LargestShare * batch.Count || batch.Ids.device_type != DeviceType.CPU)
            return;
        Distinct = distinct;
        places = TokenBatch.OnDevice([.. rows.Select(row => (long)Array.BinarySearch(distinct, (int)row))], batch.Ids.device);
    }

    /// <summary>The rows, (R), int64.</summary>
    public Tensor Rows { get; }

    /// <summary>The rows in ascending order, each once, where they are so few that a pass over them alone is worthwhile, and on the CPU; else null.</summary>
    internal int[]? Distinct { get; }

    /// <summary>The place of each row among <see cref="Distinct"/>, (R), int64.</summary>
    internal Tensor Places => places ?? throw new InvalidOperationException("a pass over all rows has them at their own places");

    /// <inheritdoc/>
    public void Dispose()
    {
        Rows.Dispose();
        places?.Dispose();
    }
}

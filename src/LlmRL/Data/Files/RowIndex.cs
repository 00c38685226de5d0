namespace LlmRL.Data;

/// <summary>Where the rows of a file begin and end: 16 bytes a row, in blocks, so that growing copies nothing.</summary>
internal sealed class RowIndex
{
    private const int BlockBits = 16, BlockSize = 1 << BlockBits;

    private readonly List<(long Start, int Length, int Line)[]> blocks = [];

    public int Count { get; private set; }

    public (long Start, int Length, int Line) this[int row]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Count);
            return blocks[row >> BlockBits][row & (BlockSize - 1)];
        }
    }

    public void Add((long Start, int Length, int Line) row)
    {
        if (Count == blocks.Count * BlockSize)
            blocks.Add(new (long, int, int)[BlockSize]);
        blocks[Count >> BlockBits][Count & (BlockSize - 1)] = row;
        Count = checked(Count + 1);
    }
}

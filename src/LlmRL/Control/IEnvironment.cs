namespace LlmRL.Control;

/// <summary>What one step of an environment gives.</summary>
/// <param name="Reward">r_t.</param>
/// <param name="Terminated">The task itself ended: nothing follows, so the value of what follows is 0. A time limit is no such end.</param>
public readonly record struct StepResult(double Reward, bool Terminated);

/// <summary>
/// A simulated task with a handful of actions, as in Gymnasium. The time limit is kept apart from the dynamics: whoever steps the environment counts to
/// <see cref="StepLimit"/> and calls the episode truncated there, which is not the same as terminated.
/// </summary>
public interface IEnvironment
{
    /// <summary>The name under which Gymnasium registers it.</summary>
    string Id { get; }

    /// <summary>O: numbers in an observation.</summary>
    int ObservationSize { get; }

    /// <summary>A: the actions are 0 … A − 1.</summary>
    int ActionCount { get; }

    /// <summary>Steps after which an episode is truncated.</summary>
    int StepLimit { get; }

    /// <summary>Begins an episode at a random start state.</summary>
    void Reset(RandomStream random);

    /// <summary>Takes an action.</summary>
    /// <param name="action">0 … A − 1.</param>
    StepResult Step(int action);

    /// <summary>Writes what the agent sees, as float32.</summary>
    /// <param name="observation">Receives (O).</param>
    void Observe(Span<float> observation);

    /// <summary>The whole state of the dynamics; writing to it puts the environment there.</summary>
    Span<double> State { get; }
}

namespace LlmRL.Control;

/// <summary>
/// A pole on a cart, kept upright by pushing left (0) or right (1). State: position x in m, velocity, angle θ in rad, angular velocity; the
/// observation is the state. Reward 1 a step, the last one included; the episode ends where |x| &gt; 2.4 m or |θ| &gt; 12°.
/// </summary>
/// <remarks>Barto, Sutton and Anderson 1983, "Neuronlike adaptive elements that can solve difficult learning control problems"; constants and Euler steps as in Gymnasium's CartPole-v1.</remarks>
public sealed class CartPole : IEnvironment
{
    private const double Gravity = 9.8, CartMass = 1.0, PoleMass = 0.1, HalfLength = 0.5, Force = 10.0, TimeStep = 0.02;
    private const double TotalMass = CartMass + PoleMass, PoleMoment = PoleMass * HalfLength;
    private const double LargestPosition = 2.4, LargestAngle = 12 * 2 * Math.PI / 360;

    private readonly double[] state = new double[4];

    /// <inheritdoc/>
    public string Id => "CartPole-v1";

    /// <inheritdoc/>
    public int ObservationSize => 4;

    /// <inheritdoc/>
    public int ActionCount => 2;

    /// <inheritdoc/>
    public int StepLimit => 500;

    /// <inheritdoc/>
    public Span<double> State => state;

    /// <inheritdoc/>
    public void Reset(RandomStream random)
    {
        foreach (ref var value in State)
            value = 0.1 * random.NextDouble() - 0.05;
    }

    /// <inheritdoc/>
    public StepResult Step(int action)
    {
        var (x, velocity, angle, spin) = (state[0], state[1], state[2], state[3]);
        // The order of operations is Gymnasium's: over hundreds of steps a pole near its tipping point makes any other rounding visible.
        var force = action == 1 ? Force : -Force;
        var (sin, cos) = Math.SinCos(angle);
        var pushed = (force + PoleMoment * (spin * spin) * sin) / TotalMass;
        var spinChange = (Gravity * sin - cos * pushed) / (HalfLength * (4.0 / 3.0 - PoleMass * (cos * cos) / TotalMass));
        var velocityChange = pushed - PoleMoment * spinChange * cos / TotalMass;
        state[0] = x + TimeStep * velocity;
        state[1] = velocity + TimeStep * velocityChange;
        state[2] = angle + TimeStep * spin;
        state[3] = spin + TimeStep * spinChange;
        return new StepResult(1, Math.Abs(state[0]) > LargestPosition || Math.Abs(state[2]) > LargestAngle);
    }

    /// <inheritdoc/>
    public void Observe(Span<float> observation)
    {
        for (var i = 0; i < state.Length; i++)
            observation[i] = (float)state[i];
    }
}
